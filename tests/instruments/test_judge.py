"""Room, cost and carry of candidates with one and many legs, by hand."""

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from stormsail.audit.tolerance import Tolerance
from stormsail.core import Contract, Payoff, Tenor, Unavailable
from stormsail.forecast.types import CarryForecast, MaybeCarry
from stormsail.instruments.candidates import own_candidates, proxy_candidates
from stormsail.instruments.judge import Fit, Need, capacity_of, carry_of, judge, suffices
from stormsail.instruments.offers import Offer, room
from stormsail.instruments.types import Candidate, CandidateScore, Leg, Route
from stormsail.market.book import square_root_impact
from stormsail.ratio.types import Effectiveness

MONTH = timedelta(days=30)
GOOD = Effectiveness(0.75, 0.6, 0.9, 0.5, -0.1, -0.05, 0.7, 300, "test 1d")


def contract(base: str, venue: str = "binance", payoff: Payoff = Payoff.LINEAR) -> Contract:
    one, fee = Decimal(1), Decimal("0.0005")
    return Contract(venue, f"{base}USDT", base, "USDT", Tenor.PERPETUAL, payoff, one, one, one, Decimal(5), fee, fee)


def offer(c: Contract, volume: float | Unavailable = 1e6, free: float = 1e6, carry: float = 0.01) -> Offer:
    expected = CarryForecast(carry, carry - 0.02, carry + 0.02, MONTH, "test", 100)
    return Offer(c, volume, expected, carry, free, Unavailable("no order book"))


A, B = contract("AAA"), contract("BBB")
PAIR = Candidate("pair", Route.MIX, (Leg(A, 0.25), Leg(B, 0.75)))
DIRECT = Candidate("direct", Route.DIRECT, (Leg(A, 0.25), Leg(B, 0.75)))


def test_legs_of_a_mix_move_together_and_own_contracts_do_not() -> None:
    held = {A.id: offer(A, volume=1e6), B.id: offer(B, volume=1.5e6)}
    assert capacity_of(PAIR, held, 0.01, 1e6) == pytest.approx(min(1e4 / 0.25, 1.5e4 / 0.75))
    assert capacity_of(DIRECT, held, 0.01, 30_000) == pytest.approx(min(1e4, 7_500) + min(1.5e4, 22_500))
    held[B.id] = offer(B, volume=Unavailable("no volume"))
    assert isinstance(capacity_of(PAIR, held, 0.01, 1e6), Unavailable)


def test_score_by_hand() -> None:
    held = {A.id: offer(A, volume=1e8, free=500.0, carry=0.01)}
    own = Candidate(A.id, Route.PROXY, (Leg(A, 1.0),))
    need = Need("X", 1000.0, 0.4, 0.05)
    found = judge(own, need, Fit(GOOD, 2.0), held, Tolerance())
    cost = 2.0 * (2 * 0.0005 + 2 * square_root_impact(2000.0, 1e8, 0.05))
    assert found.cost == pytest.approx(cost)
    assert found.risk_removed == pytest.approx(0.4 * (1 - math.sqrt(0.25)))
    assert found.score == pytest.approx(0.2 * 500 / 2000 + 2 * 0.01 - cost)
    assert "25% of what is wanted" in found.reason
    assert "ratio 2.00" in found.reason


def test_carry_of_legs_is_weighed_and_unavailable_if_one_is() -> None:
    held = {A.id: offer(A, carry=0.04), B.id: offer(B, carry=0.0)}
    mixed = carry_of(PAIR, held)
    assert isinstance(mixed, CarryForecast)
    assert (mixed.expected, mixed.low) == (pytest.approx(0.01), pytest.approx(-0.01))
    none: MaybeCarry = Unavailable("no rule")
    held[A.id] = Offer(A, 1e6, none, -0.02, 1e6, Unavailable("no order book"))
    assert isinstance(carry_of(PAIR, held), Unavailable)
    found = judge(PAIR, Need("X", 100.0, 0.4, 0.05), Fit(GOOD, 2.0), held, Tolerance())
    assert "carry unavailable and counted as -1.00%" in found.reason
    assert found.score == pytest.approx(found.risk_removed - 2.0 * 0.25 * 0.02 - found.cost)


def test_what_cannot_be_ordered_or_measured_is_not_usable() -> None:
    tiny = {A.id: offer(A, free=3.0)}
    own = Candidate(A.id, Route.DIRECT, (Leg(A, 1.0),))
    need = Need("AAA", 100.0, 0.4, 0.05)
    small = judge(own, need, Fit(GOOD, 1.0), tiny, Tolerance())
    assert not small.usable and "smallest order" in small.reason
    proxy = Candidate(A.id, Route.PROXY, (Leg(A, 1.0),))
    unknown = judge(proxy, need, Fit(Unavailable("young"), 1.0), {A.id: offer(A)}, Tolerance())
    assert not unknown.usable and unknown.risk_removed == 0.0
    believed = judge(own, need, Fit(Unavailable("own perpetual"), 1.0), {A.id: offer(A)}, Tolerance())
    assert believed.usable and believed.risk_removed == pytest.approx(0.4 * (1 - math.sqrt(0.002)))


def test_an_inverse_contract_is_usable_as_far_as_unlocked_coins_back_it() -> None:
    coin = contract("AAA", payoff=Payoff.INVERSE)
    own = Candidate(coin.id, Route.INVERSE, (Leg(coin, 1.0),))
    need = Need("AAA", 100.0, 0.4, 0.05)

    def judged(coins: float) -> CandidateScore:
        held = {coin.id: replace(offer(coin), coins=coins)}
        return judge(own, need, Fit(GOOD, 1.0), held, Tolerance())

    full, half, none = judged(100.0), judged(50.0), judged(0.0)
    assert full.usable and "backed by the coin itself" in full.reason
    assert suffices(full, 100.0) and not suffices(half, 100.0)
    assert "room 50 by the unlocked coins, 50% of what is wanted" in half.reason
    assert full.score - half.score == pytest.approx(0.5 * full.risk_removed)
    assert not none.usable and none.reason.startswith("no unlocked coin to back it with")


def test_a_reason_says_only_what_the_table_does_not() -> None:
    own = Candidate(A.id, Route.DIRECT, (Leg(A, 1.0),))
    found = judge(own, Need("AAA", 100.0, 0.4, 0.05), Fit(GOOD, 1.0), {A.id: offer(A)}, Tolerance())
    assert found.reason == "own perpetual; measured on 300 observations"
    unknown = offer(A, volume=Unavailable("0 days of volume, 10 needed"))
    found = judge(own, Need("AAA", 100.0, 0.4, 0.05), Fit(GOOD, 1.0), {A.id: unknown}, Tolerance())
    assert found.reason.endswith(
        "room by the venue's cap alone, volume unavailable (0 days of volume, 10 needed); "
        "slippage unavailable and left out of the cost"
    )


def test_room_by_venue_cap() -> None:
    assert room(contract("BTC"), 0.3, 1000.0) == pytest.approx(600.0)
    assert room(contract("SOL"), 0.3, 1000.0) == pytest.approx(300.0)
    assert room(contract("BTC", payoff=Payoff.INVERSE), 0.3, 1000.0) == pytest.approx(300.0)


def test_candidates_of_each_kind() -> None:
    two = contract("AAA", "bybit")
    inverse = contract("AAA", "okx", Payoff.INVERSE)
    own = own_candidates("AAA", [inverse, two, A, B])
    assert [(c.route, c.name) for c in own] == [
        (Route.DIRECT, "binance:AAAUSDT"),
        (Route.DIRECT, "bybit:AAAUSDT"),
        (Route.INVERSE, "okx:AAAUSDT"),
    ]
    majors = {"BTC": contract("BTC"), "ETH": contract("ETH")}
    basket = Candidate("Alts-10", Route.BASKET, (Leg(A, 0.5), Leg(B, 0.5)))
    assert [c.route for c in proxy_candidates("AAA", majors, basket)] == [
        Route.PROXY,
        Route.PROXY,
        Route.MIX,
        Route.BASKET,
    ]
    assert [c.name for c in proxy_candidates("BTC", majors, basket)] == ["binance:ETHUSDT"]
