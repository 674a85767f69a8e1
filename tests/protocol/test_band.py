"""The band future: what legs are worth, who is paid, how a final price comes about, and that it always does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.protocol import WAD, BandFuture, Coin, Terms
from stormsail.protocol.band import MAX_SUPPLY, Source
from tests.protocol.chain import NOBODY, Chain, Reverted, person
from tests.protocol.world import PEOPLE, RULES, World

ADA, BOB = person("ada"), person("bob")
TERMS = Terms(lower=50 * WAD, upper=150 * WAD, expiry=10**9)


@pytest.mark.parametrize(
    ("price", "long", "short"),
    [(0, 0, 100), (50, 0, 100), (60, 10, 90), (100, 50, 50), (150, 100, 0), (10**6, 100, 0)],
)
def test_a_leg_is_worth_its_distance_to_its_end_of_the_band(price, long, short):
    final = TERMS.clamp(price * WAD)
    assert TERMS.worth(WAD, 0, final) == long * 10**6
    assert TERMS.worth(0, WAD, final) == short * 10**6


def test_the_market_falls_40_percent_and_the_short_pays_all_of_it():
    world = World()
    world.both("mint", 10 * WAD, ADA, BOB, 10**30, sender=ADA)  # at 100, one short token is worth 50
    follow(world, [100 - 4 * min(10, i) for i in range(12)], start=world.terms.expiry - 7_200, every=300)
    follow(world, [60] * 9, start=world.terms.expiry - 3_600, every=440)
    world.chain.warp(world.terms.expiry)
    assert world.both("claim", 0, 10 * WAD, BOB, 0, sender=BOB) == ("done", 900_000_000)  # 90 each: 40 more
    assert world.future.final_price() == 60 * WAD and world.future.source() == Source.WINDOW_AVERAGE


def follow(world, prices, start, every):
    """Prices in whole units, a checkpoint at each."""
    for i, price in enumerate(prices):
        world.chain.warp(start + i * every)
        world.say(price * WAD, price * WAD)
        world.oracle.poke()
        world.oracle_model.poke(world.now)
        world.both("checkpoint", sender=ADA)


terms = st.builds(
    lambda lower, width, decimals, lot: Terms(
        lower * 10**16, (lower + width) * 10**16, 10**9, lot=lot * 100, decimals=decimals
    ),
    st.integers(0, 10**6),
    st.integers(1, 10**7),
    st.integers(0, 18),
    st.integers(1, 10**3),
)
amounts = st.integers(0, MAX_SUPPLY) | st.integers(0, 10**6)
share = st.floats(0, 1)


@given(terms, amounts, amounts, amounts, amounts, share)
def test_slicing_a_claim_never_pays_more_and_costs_less_than_one_unit_a_slice(terms, a, b, c, d, share):
    price = terms.clamp(terms.lower + int((terms.upper - terms.lower) * share))
    parts = terms.worth(a, b, price) + terms.worth(c, d, price)
    whole = terms.worth(a + c, b + d, price)
    assert parts <= whole <= parts + 1


@given(terms, st.lists(st.integers(1, 10**24), min_size=1, max_size=64))
def test_slicing_a_mint_never_costs_less_and_slicing_a_redemption_never_pays_more(terms, slices):
    whole = min(sum(slices), MAX_SUPPLY)
    assert sum(map(terms.cost, slices)) >= terms.cost(whole)
    assert sum(map(terms.refund, slices)) <= terms.refund(sum(slices))


@given(terms, st.integers(1, MAX_SUPPLY), share)
def test_no_round_trip_profits_and_none_loses_more_than_a_unit(terms, amount, share):
    price = terms.clamp(terms.lower + int((terms.upper - terms.lower) * share))
    back = terms.refund(amount)
    assert terms.worth(amount, amount, price) == back
    assert 0 <= terms.cost(amount) - back <= 1
    assert terms.cost(amount) >= 1
    apart = terms.worth(amount, 0, price) + terms.worth(0, amount, price)
    assert 0 <= back - apart <= 1


@given(terms, st.integers(0, MAX_SUPPLY), st.integers(0, MAX_SUPPLY), share)
def test_a_payout_is_the_exact_value_rounded_down(terms, long, short, share):
    price = terms.clamp(terms.lower + int((terms.upper - terms.lower) * share))
    exact = (long * (price - terms.lower) + short * (terms.upper - price)) * terms.unit
    paid = terms.worth(long, short, price)
    assert paid * WAD**2 <= exact < (paid + 1) * WAD**2
    assert exact < 2**256 or terms.pair > 10**27  # no product in the contract can overflow


def test_the_contract_prices_the_extremes_as_the_model_does():
    world = World(lower=0, upper=400, decimals=18)
    for amount in (0, 1, 10**12, WAD - 1, WAD + 1, MAX_SUPPLY):
        assert world.future.cost(amount) == world.terms.cost(amount)
    with pytest.raises(Reverted, match="too many"):
        world.future.cost(MAX_SUPPLY + 1)
    with pytest.raises(Reverted, match="not settled"):
        world.future.preview_claim(1, 1)
    world.both("mint", MAX_SUPPLY, ADA, ADA, 2**255, sender=ADA)
    assert world.both("mint", 1, ADA, ADA, 2**255, sender=ADA) == ("refused", "too many")
    world.chain.warp(world.terms.expiry + world.terms.grace)
    world.both("settle", sender=BOB)
    assert world.future.preview_claim(MAX_SUPPLY, 1) == world.terms.worth(MAX_SUPPLY, 1, world.model.final_price)
    world.both("claim", MAX_SUPPLY, MAX_SUPPLY, ADA, 0, sender=ADA)
    world.agree()
    world.sound()


def test_the_order_of_claims_changes_nobodys_payment():
    paid = []
    for order in (PEOPLE, PEOPLE[::-1], PEOPLE[2:] + PEOPLE[:2]):
        world = World(upper=151)
        for i, who in enumerate(PEOPLE):
            world.both("mint", 10**17 * (3 * i + 1) + i, who, PEOPLE[-1 - i], 10**30, sender=who)
        world.chain.warp(world.terms.expiry + world.terms.grace)
        world.say(77 * WAD, 77 * WAD)
        got = {}
        for who in order:
            legs = world.model.long.balance(who), world.model.short.balance(who)
            got[who] = world.both("claim", *legs, who, 0, sender=who)
            assert got[who][0] == "done"
        world.sound()
        paid.append(got)
    assert paid[0] == paid[1] == paid[2]


def test_a_claim_is_paid_once():
    world = World()
    world.both("mint", WAD, ADA, ADA, 10**30, sender=ADA)
    world.chain.warp(world.terms.expiry + world.terms.grace)
    assert world.both("claim", WAD, 0, ADA, 0, sender=ADA)[0] == "done"
    for _ in range(3):
        assert world.both("claim", WAD, 0, ADA, 0, sender=ADA) == ("refused", "balance")
    assert world.both("settle", sender=ADA) == ("refused", "settled")
    world.agree()


def test_limits_that_the_caller_sets_are_kept():
    world = World()
    assert world.both("mint", WAD, ADA, ADA, 99_999_999, sender=ADA) == ("refused", "above maximum")
    world.both("mint", WAD, ADA, ADA, 100_000_000, sender=ADA)
    world.chain.warp(world.terms.expiry + world.terms.grace)
    assert world.both("claim", WAD, 0, ADA, 50_000_001, sender=ADA) == ("refused", "below minimum")
    assert not world.future.settled()
    assert world.both("claim", WAD, 0, ADA, 50_000_000, sender=ADA) == ("done", 50_000_000)


def test_nothing_and_nobody_are_refused():
    world = World()
    assert world.both("mint", 0, ADA, ADA, 0, sender=ADA) == ("refused", "nothing")
    assert world.both("redeem", 0, ADA, sender=ADA) == ("refused", "nothing")
    assert world.both("claim", 0, 0, ADA, 0, sender=ADA) == ("refused", "nothing")
    assert world.both("redeem", 1, NOBODY, sender=ADA) == ("refused", "no receiver")
    assert world.both("claim", 1, 0, NOBODY, 0, sender=ADA) == ("refused", "no receiver")
    assert world.both("mint", 1, NOBODY, ADA, 1, sender=ADA) == ("refused", "no receiver")


def test_the_average_weighs_each_price_by_its_time():
    world = World()
    start = world.terms.expiry - 3_600
    follow(world, [100, 104, 110, 100, 100], start, 450)  # five checkpoints, each speaks for 450 s
    world.chain.warp(world.terms.expiry)
    world.both("settle", sender=ADA)
    assert world.future.final_price() == (100 * 450 + 104 * 450 + 110 * 450 + 100 * 900) * WAD // 2_250
    world.agree()


def test_a_checkpoint_from_before_the_window_speaks_for_its_first_seconds_only():
    world = World()
    follow(world, [100], world.terms.expiry - 3_700, 1)
    world.chain.warp(world.terms.expiry - 1_000)
    assert world.future.covered_until_now() == world.model.covered_until(world.now) == 350
    world.agree()


def test_a_window_left_thin_may_be_filled_after_expiry_but_no_further():
    world = World()
    expiry = world.terms.expiry
    follow(world, [100, 100], expiry - 900, 450)  # 900 of 1800 seconds
    world.chain.warp(expiry)
    assert world.both("settle", sender=ADA) == ("refused", "window open")
    follow(world, [110, 110, 110], expiry + 5_000, 450)
    world.chain.warp(expiry + 5_900)
    assert world.both("checkpoint", sender=ADA) == ("refused", "closed")
    world.chain.warp(expiry + 19_000)  # when somebody asks makes no difference
    world.both("settle", sender=ADA)
    assert (world.future.final_price(), world.future.source()) == (105 * WAD, Source.WINDOW_AVERAGE)
    world.agree()


def test_a_window_that_was_full_takes_no_checkpoint_after_expiry():
    world = World()
    follow(world, [100] * 8, world.terms.expiry - 3_600, 450)
    world.chain.warp(world.terms.expiry)
    world.say(130 * WAD, 130 * WAD)
    assert world.both("checkpoint", sender=ADA) == ("refused", "closed")
    assert world.both("settle", sender=ADA) == ("done", 100 * WAD)


@pytest.mark.parametrize(
    ("checkpoints", "source", "price"),
    [((), Source.LAST_CHECKPOINT, 100), ((110,), Source.PARTIAL_AVERAGE, 110)],
)
def test_the_ladder_when_the_window_was_missed(checkpoints, source, price):
    world = World()
    world.both("mint", WAD, ADA, BOB, 10**30, sender=ADA)
    follow(world, checkpoints, world.terms.expiry - 100, 1)
    world.chain.warp(world.terms.expiry + world.terms.grace - 1)
    assert world.both("settle", sender=ADA) == ("refused", "window open")
    world.chain.wait(1)
    assert world.both("settle", sender=ADA) == ("done", price * WAD)
    assert world.future.source() == source


def test_a_series_that_never_saw_a_price_has_no_holder_and_ends_in_the_middle():
    world = World()
    world.chain.warp(world.terms.expiry + world.terms.grace)
    assert world.both("settle", sender=ADA) == ("done", 100 * WAD)
    assert world.future.source() == Source.MIDPOINT and world.long.totalSupply() == 0


def test_a_price_outside_the_band_settles_at_its_edge():
    world = World(lower=95, upper=105)
    follow(world, [110] * 8, world.terms.expiry - 3_600, 450)
    world.chain.warp(world.terms.expiry)
    assert world.both("settle", sender=ADA) == ("done", 105 * WAD)
    (settled,) = world.future.events()
    assert settled == ("Settled", {"price": 110 * WAD, "source": 1})


wild = st.lists(
    st.tuples(
        st.sampled_from(["wait", "say", "checkpoint", "mint", "settle"]),
        st.integers(0, 2**256 - 1) | st.integers(0, 2**130) | st.sampled_from([2**128, 2**128 + 1, 0]),
        st.integers(0, 3_000),
    ),
    max_size=25,
)


class Wild:
    """An oracle without guards, for the model."""

    def __init__(self):
        self.flags = self.price = 0

    def consult(self, now):
        return self.flags, self.price

    poke = consult


@given(wild)
def test_whatever_the_oracle_did_settlement_cannot_fail_after_grace_and_all_are_paid(acts):
    chain = Chain()
    coin, oracle = chain.deploy("Coin", 6), chain.deploy("WildOracle")
    coin.give(ADA, 10**30)
    terms = Terms(0, 100 * WAD, chain.now + 5_000, window=800, grace=2_000)
    fixed = "W", 1, terms.lower, terms.upper, terms.expiry, terms.window, terms.grace
    future = chain.deploy("BandFuture", coin.address, oracle.address, chain.blueprint("PairToken"), *fixed)
    coin.approve(future.address, 2**256 - 1, sender=ADA)
    kept = Coin()
    kept.mint(ADA, 10**30)
    kept.approve(ADA, future.address, 2**256 - 1)
    model = BandFuture(future.address, terms, kept, Wild())
    for act, price, seconds in acts:
        if act == "wait":
            chain.wait(seconds)
        elif act == "say":
            oracle.say(seconds % 2, price)
            model.oracle.flags, model.oracle.price = seconds % 2, price
        else:
            args = {"mint": (WAD, ADA, ADA, 10**12)}.get(act, ())
            ends = []
            for what, before in ((future, {"sender": ADA}), (model, {})):
                try:
                    moment = () if before else (chain.now, ADA)
                    getattr(what, act)(*moment, *args, **before)
                    ends.append("")
                except Exception as error:
                    ends.append(error.reason)
            assert ends[0] == ends[1]
    chain.code(oracle.address, b"\xfe")
    chain.warp(max(chain.now, terms.expiry + terms.grace))
    held = future.backing() // 100_000_000 * WAD
    if not future.settled():
        assert future.settle() == model.settle(chain.now)
    assert 0 <= future.final_price() <= 100 * WAD
    if held:
        future.claim(held, 0, ADA, 0, sender=ADA)
        future.claim(0, held, ADA, 0, sender=ADA)
    assert 0 <= future.backing() <= 1


@pytest.mark.parametrize("price", [2**128 + 1, 2**250, 2**256 - 1])
def test_a_price_that_no_sum_could_hold_is_not_recorded(price):
    world = World()
    wild = world.chain.deploy("WildOracle")
    fixed = "W", 1, 0, 100 * WAD, world.now + 5_000, 800, 2_000
    future = world.chain.deploy(
        "BandFuture", world.coin.address, wild.address, world.chain.blueprint("PairToken"), *fixed
    )
    wild.say(0, 2**128)
    future.checkpoint()
    wild.say(0, price)
    with pytest.raises(Reverted, match="price refused"):
        future.checkpoint()
    world.chain.wait(7_000)
    assert future.settle() == 100 * WAD


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"lower": 100, "upper": 100}, "band"),
        ({"window": 799}, "window"),
        ({"window": 86_401, "life": 100_000, "grace": 90_000}, "window"),
        ({"grace": 3_599}, "grace"),
        ({"grace": 30 * 86_400 + 1}, "grace"),
        ({"life": 3_600}, "expiry"),
        ({"decimals": 19}, "decimals"),
        ({"decimals": 18, "upper": 10**9 + 51}, "width"),
    ],
)
def test_terms_that_would_be_wrong_are_refused(what, reason):
    with pytest.raises(Reverted) as caught:
        World(**what)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("lot", "upper", "reason"),
    [(0, 150 * WAD, "lot"), (10**9 + 1, 150 * WAD, "lot"), (1, 150 * WAD + 1, "width does not divide")],
)
def test_lots_and_widths_that_do_not_come_out_are_refused(lot, upper, reason):
    world = World()
    with pytest.raises(Reverted) as caught:
        world.chain.deploy(
            "BandFuture", world.coin.address, world.oracle.address, world.chain.blueprint("PairToken"), "X", lot,
            50 * WAD, upper, world.now + 40_000, 3_600, 20_000,
        )  # fmt: skip
    assert caught.value.reason == reason


def test_events_tell_what_happened():
    world = World()
    world.future.mint(2 * WAD, ADA, BOB, 10**30, sender=ADA)
    assert world.future.events() == [
        ("Checkpoint", {"price": 100 * WAD, "covered": 0}),
        ("Minted", {"payer": ADA, "long_to": ADA, "short_to": BOB, "amount": 2 * WAD, "cost": 200_000_000}),
    ]
    world.short.transfer(ADA, WAD, sender=BOB)
    world.future.redeem(WAD, BOB, sender=ADA)
    assert world.future.events() == [("Redeemed", {"owner": ADA, "to": BOB, "amount": WAD, "paid": 100_000_000})]
    world.chain.warp(world.terms.expiry + world.terms.grace)
    world.future.claim(WAD, 0, BOB, 0, sender=ADA)
    assert world.future.events()[1] == (
        "Claimed", {"owner": ADA, "to": BOB, "long_amount": WAD, "short_amount": 0, "paid": 50_000_000}
    )  # fmt: skip


def test_one_halt_cannot_push_a_series_down_the_ladder():
    world = World()
    world.both("mint", WAD, ADA, BOB, 10**30, sender=ADA)
    world.chain.warp(world.terms.expiry - 3_600)
    world.oracle.halt(sender=person("guardian"))
    world.oracle_model.halt(world.now, person("guardian"))
    assert world.both("checkpoint", sender=ADA) == ("refused", "price refused")
    follow(world, [80] * 12, world.terms.expiry - 3_600 + RULES.halt_max, 400)  # a jump since, and its trial
    world.chain.warp(world.terms.expiry + world.terms.grace)
    world.both("settle", sender=ADA)
    assert (world.future.final_price(), world.future.source()) == (80 * WAD, Source.WINDOW_AVERAGE)
