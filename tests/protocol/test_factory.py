"""The registry: what the keeper may do, what anyone may, and that existing series are out of everyone's reach."""

import pytest

from stormsail.protocol import WAD, Market, Refused, SeriesFactory, artifact
from stormsail.protocol.factory import DELAY
from tests.protocol.chain import Reverted, person
from tests.protocol.world import World

KEEPER, ADA = person("keeper"), person("ada")
DAY = 86_400
GOOD = ("BTC-USD", 1, 3_600, 20_000)


class Registry:
    """Factory and model side by side."""

    def __init__(self):
        self.world = World()
        chain = self.world.chain
        self.contract = chain.deploy(
            "SeriesFactory", chain.blueprint("PairToken"), chain.blueprint("BandFuture"), KEEPER
        )
        self.model = SeriesFactory(KEEPER)

    def both(self, theirs, ours):
        ends = []
        for act in (theirs, ours):
            try:
                ends.append(("done", act()))
            except (Reverted, Refused) as error:
                ends.append(("refused", error.reason))
        assert ends[0][0] == ends[1][0]
        assert ends[0][0] == "done" or ends[0] == ends[1]
        return ends[0]

    def propose(self, label, lot, window, grace, sender=KEEPER):
        w = self.world
        market = Market(w.oracle_model, w.coin_model, label, lot, window, grace)
        return self.both(
            lambda: self.contract.propose_market(
                w.oracle.address, w.coin.address, label, lot, window, grace, sender=sender
            ),
            lambda: self.model.propose_market(w.now, sender, "m", market),
        )

    def create(self, lower, upper, life=10 * DAY, sender=ADA):
        w = self.world
        expiry = w.now + life
        return self.both(
            lambda: self.contract.create(w.oracle.address, w.coin.address, lower, upper, expiry, sender=sender),
            lambda: self.model.create(w.now, "m", f"series {len(self.model.series) + 1}", lower, upper, expiry),
        )

    def wait(self, seconds, price=100 * WAD):
        self.world.chain.wait(seconds)
        self.world.say(price, price)


@pytest.fixture
def registry():
    made = Registry()
    made.propose(*GOOD)
    made.wait(DELAY)
    return made


def test_a_series_is_made_named_and_remembered(registry):
    _, address = registry.create(50 * WAD, 150 * WAD)
    (event,) = registry.contract.events()
    assert event[0] == "SeriesCreated" and event[1]["series"] == address and event[1]["number"] == 1
    chain = registry.world.chain
    future = chain.at("BandFuture", address)
    assert chain.at("PairToken", future.LONG()).symbol() == "BTC-USD-1-L"
    assert chain.at("PairToken", future.SHORT()).name() == "BTC-USD-1 short"
    assert chain.at("PairToken", future.LONG()).CORE() == address
    assert registry.contract.series(1) == address and registry.contract.number_of(address) == 1
    terms = registry.model.series[0].terms
    names = {"lower": "LOWER", "upper": "UPPER", "expiry": "EXPIRY", "window": "WINDOW", "grace": "GRACE"}
    names |= {"hold": "HOLD", "enough": "NEED", "unit": "UNIT", "pair": "PAIR"}
    for ours, theirs in names.items():
        assert getattr(future, theirs)() == getattr(terms, ours), ours


def test_a_market_waits_out_its_delay():
    registry = Registry()
    assert registry.create(50 * WAD, 150 * WAD) == ("refused", "market not open")
    registry.propose(*GOOD)
    registry.wait(DELAY - 1)
    assert registry.create(50 * WAD, 150 * WAD) == ("refused", "market not open")
    registry.wait(1)
    assert registry.create(50 * WAD, 150 * WAD)[0] == "done"
    registry.propose(*GOOD)  # proposing again starts again
    assert registry.create(51 * WAD, 150 * WAD) == ("refused", "market not open")


@pytest.mark.parametrize(
    ("label", "lot", "window", "grace", "reason"),
    [
        ("", 1, 3_600, 20_000, "market"),
        ("X", 0, 3_600, 20_000, "market"),
        ("X", 10**9 + 1, 3_600, 20_000, "market"),
        ("X", 1, 799, 20_000, "market"),
        ("X", 1, 86_401, 30 * DAY, "market"),
        ("X", 1, 3_600, 30 * DAY + 1, "market"),
        ("X", 1, 3_600, 14_399, "halt outlasts grace"),
        ("X", 1, 7_201, 30 * DAY, "halt outlasts grace"),
    ],
)
def test_markets_outside_the_bounds_are_refused(label, lot, window, grace, reason):
    registry = Registry()
    assert registry.propose(label, lot, window, grace) == ("refused", reason)
    assert registry.propose("X", 1, 3_600, 14_400)[0] == "done"


@pytest.mark.parametrize(
    ("lower", "upper", "reason"),
    [(91, 150, "band"), (50, 109, "band"), (50, 1_001, "band"), (90, 110, None), (0, 1_000, None)],
)
def test_the_price_must_lie_well_inside_the_band(registry, lower, upper, reason):
    end = registry.create(lower * WAD, upper * WAD)
    assert end == ("refused", reason) if reason else end[0] == "done"


@pytest.mark.parametrize(
    ("life", "done"), [(DAY + 3_599, False), (DAY + 3_600, True), (730 * DAY, True), (730 * DAY + 1, False)]
)
def test_a_series_lives_between_a_day_and_two_years(registry, life, done):
    assert (registry.create(50 * WAD, 150 * WAD, life)[0] == "done") == done


def test_the_same_terms_are_one_series(registry):
    assert registry.create(50 * WAD, 150 * WAD)[0] == "done"
    assert registry.create(50 * WAD, 150 * WAD) == ("refused", "exists")
    assert registry.create(50 * WAD, 151 * WAD)[0] == "done"
    assert registry.contract.count() == len(registry.model.series) == 2


def test_no_series_without_a_price(registry):
    registry.world.say(100 * WAD, 104 * WAD)
    assert registry.create(50 * WAD, 150 * WAD) == ("refused", "price refused")


def test_closing_a_market_leaves_its_series_alone(registry):
    _, address = registry.create(50 * WAD, 150 * WAD)
    w = registry.world
    registry.contract.close_market(w.oracle.address, w.coin.address, sender=KEEPER)
    registry.model.close_market(KEEPER, "m")
    assert registry.create(51 * WAD, 150 * WAD) == ("refused", "market not open")
    future = w.chain.at("BandFuture", address)
    w.coin.approve(address, 2**256 - 1, sender=ADA)
    future.mint(WAD, ADA, ADA, 10**9, sender=ADA)
    assert future.redeem(WAD, ADA, sender=ADA) == 100_000_000


def test_a_series_has_no_function_for_anyone_in_particular():
    names = {entry["name"] for entry in artifact("BandFuture").abi if entry["type"] == "function"}
    acts = {"mint", "mint_with_permit", "redeem", "checkpoint", "settle", "claim"}
    told = {"cost", "preview_claim", "covered_until_now", "COLLATERAL", "ORACLE", "LONG", "SHORT", "LOWER", "UPPER"}
    told |= {"EXPIRY", "WINDOW", "HOLD", "NEED", "GRACE", "UNIT", "PAIR", "backing", "price", "price_at", "weighted"}
    assert names == acts | told | {"covered", "settled", "final_price", "source"}


def test_the_keeper_changes_slowly_and_only_by_consent():
    registry = Registry()
    new = person("successor")
    registry.contract.name_keeper(new, sender=KEEPER)
    registry.model.name_keeper(registry.world.now, KEEPER, new)
    for wait, sender, end in ((0, new, "too early"), (DELAY, ADA, "only named"), (0, new, None)):
        registry.world.chain.wait(wait)
        got = registry.both(
            lambda sender=sender: registry.contract.accept_keeper(sender=sender),
            lambda sender=sender: registry.model.accept_keeper(registry.world.now, sender),
        )
        assert got == (("refused", end) if end else ("done", None))
    assert registry.contract.keeper() == registry.model.keeper == new
    assert registry.propose(*GOOD) == ("refused", "only keeper")
