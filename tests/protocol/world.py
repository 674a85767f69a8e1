"""A series, its oracle and its coin on the test chain, and the same in the model, step by step."""

from stormsail.protocol import WAD, BandFuture, Coin, Feed, OracleAdapter, Refused, Round, Rules, Terms
from tests.protocol.chain import Chain, Reverted, person

PEOPLE = tuple(person(name) for name in ("ada", "bob", "cleo", "dan"))
GUARDIAN = person("guardian")
UNLIMITED = 2**256 - 1
RULES = Rules(
    heartbeat_a=3_600,
    heartbeat_b=3_600,
    lowest=WAD // 10,
    highest=10_000 * WAD,
    deviation=200,
    jump=1_500,
    release_count=4,
    release_time=600,
    halt_max=7_200,
    cooldown=14_400,
    resume_delay=1_800,
    handover_delay=86_400,
)


def astuple(rules):
    return tuple(getattr(rules, name) for name in rules.__slots__)


class World:
    """Contract and model side by side: every act is done to both and must end alike in both."""

    def __init__(self, lower=50, upper=150, decimals=6, feed_decimals=(8, 18), life=40_000, window=3_600, grace=20_000):
        self.chain = chain = Chain()
        self.sources = tuple(chain.deploy("Source", d) for d in feed_decimals)
        self.feeds = (Feed(), Feed())
        self.feed_decimals = feed_decimals
        self.say(100 * WAD, 100 * WAD)
        addresses = [source.address for source in self.sources]
        self.oracle = chain.deploy(
            "OracleAdapter", *addresses, "0x" + "00" * 20, 0, GUARDIAN, 100 * WAD, astuple(RULES)
        )
        self.oracle_model = OracleAdapter.deploy(chain.now, RULES, *self.feeds, GUARDIAN, 100 * WAD)
        self.coin = chain.deploy("Coin", decimals)
        self.coin_model = Coin(decimals=decimals)
        self.terms = Terms(
            lower=lower * WAD, upper=upper * WAD, expiry=chain.now + life, decimals=decimals, window=window, grace=grace
        )
        self.future = chain.deploy(
            "BandFuture",
            self.coin.address,
            self.oracle.address,
            chain.blueprint("PairToken"),
            "X-1",
            self.terms.lot,
            self.terms.lower,
            self.terms.upper,
            self.terms.expiry,
            window,
            grace,
        )
        self.model = BandFuture(self.future.address, self.terms, self.coin_model, self.oracle_model)
        self.long = chain.at("PairToken", self.future.LONG())
        self.short = chain.at("PairToken", self.future.SHORT())
        self.given = 0
        for who in PEOPLE:
            self.coin.give(who, 10**40)
            self.coin_model.mint(who, 10**40)
            self.coin.approve(self.future.address, UNLIMITED, sender=who)
            self.coin_model.approve(who, self.future.address, UNLIMITED)

    @property
    def now(self):
        return self.chain.now

    def say(self, *prices, updated=None):
        """Both feeds answer; prices in 1e18ths."""
        for i, price in enumerate(prices):
            self.answer(i, price * 10 ** self.feed_decimals[i] // WAD, self.chain.now if updated is None else updated)

    def answer(self, i, answer, updated):
        self.sources[i].say(answer % 2**256, updated)
        self.feeds[i].latest = Round(answer, updated, self.feed_decimals[i])

    def both(self, act, *args, sender):
        """Do an act to the contract and to the model; returns the result, or the reason of a refusal that both gave."""
        theirs = ours = None
        try:
            theirs = ("done", getattr(self.future, act)(*args, sender=sender))
        except Reverted as error:
            theirs = ("refused", error.reason)
        try:
            ours = ("done", getattr(self.model, act)(self.now, sender, *args))
        except Refused as error:
            ours = ("refused", error.reason)
        payment = {"allowance", "balance", "no receiver"}  # the model sees to the payment before it asks for the price
        assert theirs == ours or (theirs == ("refused", "price refused") and ours[1] in payment), (
            act,
            args,
            theirs,
            ours,
        )
        return ours

    def agree(self):
        """Everything there is to see is the same in contract and model, to the last unit."""
        future, model = self.future, self.model
        for name in ("backing", "price", "price_at", "weighted", "covered", "settled", "final_price", "source"):
            assert getattr(future, name)() == getattr(model, name), name
        assert future.covered_until_now() == model.covered_until(self.now)
        for token, kept in ((self.long, model.long), (self.short, model.short)):
            assert token.totalSupply() == kept.supply == sum(kept.balances.values())
            for who in PEOPLE:
                assert token.balanceOf(who) == kept.balance(who)
        for who in (*PEOPLE, future.address):
            assert self.coin.balanceOf(who) == self.coin_model.balance(who)
        assert self.oracle.read() == self.oracle_model.read(self.now)
        for name in ("price", "price_at", "doubt_price", "doubt_from", "doubt_at", "doubt_count", "halted_until"):
            assert getattr(self.oracle, name)() == getattr(self.oracle_model, name), name

    def sound(self):
        """The invariants: fully backed at every moment, collateral conserved exactly."""
        model, terms = self.model, self.terms
        owed = model.long.supply, model.short.supply
        if model.settled:
            p = model.final_price
            assert terms.lower <= p <= terms.upper
            assert model.backing * WAD**2 >= (owed[0] * (p - terms.lower) + owed[1] * (terms.upper - p)) * terms.unit
        else:
            assert owed[0] == owed[1]
            assert model.backing * WAD >= owed[0] * terms.pair
        assert self.coin_model.balance(self.future.address) == model.backing + self.given
        assert self.coin_model.supply == sum(self.coin_model.balances.values())
