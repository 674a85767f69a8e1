"""The plan's parts against figures worked out by hand or independently."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Contract, Payoff, Tenor, Unavailable
from stormsail.forecast.types import CarryForecast
from stormsail.market.panel import Panel, book_return
from stormsail.plan.advice import advise, rolls_needed
from stormsail.plan.cost import contract_cost, fee, total_cost
from stormsail.plan.coverage import split_cover
from stormsail.plan.failures import AtVenue, Stake, Storm, failure_modes
from stormsail.plan.history import held_through
from stormsail.plan.insurance import horizon_returns, insurance, mean_of_worst
from stormsail.plan.model import CoinReturns, risk_model
from stormsail.plan.tails import falls

MONTH = timedelta(days=30)


def contract(tenor: Tenor = Tenor.PERPETUAL, symbol: str = "AAAUSDT") -> Contract:
    d = Decimal
    expiry = datetime(2025, 12, 26, 8, tzinfo=UTC) if tenor is Tenor.DATED else None
    return Contract(
        "v",
        symbol,
        "AAA",
        "USDT",
        tenor,
        Payoff.LINEAR,
        d(1),
        d("0.1"),
        d("0.01"),
        d(5),
        d("0.0002"),
        d("0.0005"),
        expiry,
    )


def carry(expected: float, low: float) -> CarryForecast:
    return CarryForecast(expected, low, expected + 0.02, MONTH, "test", 100)


def returns(n: int = 400, seed: int = 3) -> tuple[CoinReturns, np.ndarray]:
    """BTC, ETH and four alts with known slopes; ETH is half BTC, half its own."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    btc = rng.normal(0, 0.03, n)
    eth = 0.8 * btc + rng.normal(0, 0.02, n)
    slopes = np.array([[0.5, 0.5], [1.0, 0.2], [0.2, 0.9], [0.7, 0.7]])
    alts = np.column_stack([btc, eth]) @ slopes.T + rng.normal(0, 0.02, (n, 4))
    values = np.column_stack([btc, eth, alts])
    times = np.datetime64("2024-01-01", "us") + np.arange(n) * np.timedelta64(1, "D")
    names = ("BTC", "ETH", "A", "B", "C", "D")
    return CoinReturns(Panel(times, names, values, timedelta(days=1)), 1), slopes


def test_fees_are_exact_and_both_ways() -> None:
    assert fee(contract(), Decimal("1234.56")) == Decimal("0.617280")
    cost = contract_cost(contract(), Decimal(10_000), carry(0.01, -0.02), 0.001)
    assert (cost.carry, cost.carry_low, cost.fees, cost.slippage) == (100.0, -200.0, -10.0, -20.0)


def test_total_cost_adds_up_and_names_what_is_missing() -> None:
    parts = [
        contract_cost(contract(), Decimal(10_000), carry(0.01, -0.02), 0.001),
        contract_cost(contract(Tenor.DATED, "AAA_2512"), Decimal(5_000), carry(0.02, 0.02), Unavailable("no book")),
        contract_cost(contract(symbol="BBBUSDT"), Decimal(1_000), Unavailable("no history"), 0.0),
    ]
    cost = total_cost(parts)
    assert cost.funding == 100.0
    assert cost.basis == 100.0
    assert cost.fees == -16.0
    assert cost.slippage == -20.0
    assert cost.total == pytest.approx(164.0)
    assert cost.total_low == pytest.approx(-136.0)
    assert cost.notes == (
        "slippage is unavailable and left out, no book (v:AAA_2512)",
        "carry is unavailable and left out, no history (v:BBBUSDT)",
    )
    assert cost.left_out == ("funding of 1 of 2 contracts", "slippage of 1 of 3 contracts")
    assert cost.by_contract["v:AAA_2512"] == (0.0, 100.0, -5.0, Unavailable("no book"))
    assert cost.by_contract["v:BBBUSDT"][0] == Unavailable("no history")
    known = [x for row in cost.by_contract.values() for x in row if not isinstance(x, Unavailable)]
    assert sum(known) == pytest.approx(cost.total)


def test_a_part_of_which_nothing_is_known_is_not_nought() -> None:
    cost = total_cost([contract_cost(contract(), Decimal(1_000), Unavailable("no history"), Unavailable("no book"))])
    assert cost.funding == cost.funding_low == Unavailable("no history")
    assert cost.slippage == Unavailable("no book")
    assert cost.basis == 0.0
    assert cost.total == cost.total_low == -1.0
    assert cost.left_out == ("funding", "slippage")


def test_notes_of_one_kind_are_told_once() -> None:
    names = [f"{coin}USDT" for coin in "ABC"]
    unknown = [contract_cost(contract(symbol=n), Decimal(1), carry(0.0, 0.0), Unavailable("no book")) for n in names]
    assert total_cost(unknown).notes == ("slippage is unavailable and left out, no book (all 3 contracts)",)
    known = contract_cost(contract(symbol="DUSDT"), Decimal(1), carry(0.0, 0.0), 0.0)
    assert total_cost([*unknown[:2], known]).notes == (
        "slippage is unavailable and left out, no book (2 contracts: v:AUSDT, v:BUSDT)",
    )


def test_advice_without_a_dated_contract_says_so_once() -> None:
    none = Unavailable("no dated contract on BTC or ETH is known")
    got = advise(carry(0.01, -0.02), none, horizon=timedelta(days=30), perpetual_cost=0.001, dated_cost=0.0)
    assert got.reason == "Perpetual: no dated contract on BTC or ETH is known."


def test_a_short_rolled_twice_pays_six_ways_and_its_worst_basis_counts() -> None:
    held, rolled = (
        total_cost([contract_cost(contract(Tenor.DATED), Decimal(10_000), carry(0.02, -0.01), 0.001, rolls=n)])
        for n in (0, 2)
    )
    assert rolled.fees == 3 * held.fees and rolled.slippage == 3 * held.slippage == pytest.approx(-60.0)
    assert rolled.total == pytest.approx(200.0 + rolled.fees - 60.0)
    assert rolled.total - rolled.total_low == pytest.approx(300.0)


def test_a_locked_basis_wins_over_uncertain_funding_and_loses_over_a_week() -> None:
    half_year = advise(
        carry(0.03, -0.11), carry(0.028, 0.028), horizon=timedelta(days=180), perpetual_cost=0.001, dated_cost=0.001,
        life=timedelta(days=147), roll_cost=0.001,
    )  # fmt: skip
    assert half_year.tenor is Tenor.DATED
    assert "rolled 1 time" in half_year.reason
    week = advise(
        carry(0.0015, -0.002), carry(0.0013, -0.015), horizon=timedelta(days=7), perpetual_cost=0.001, dated_cost=0.001
    )
    assert week.tenor is Tenor.PERPETUAL
    assert (
        advise(carry(0, 0), Unavailable("none"), horizon=MONTH, perpetual_cost=0, dated_cost=0).tenor is Tenor.PERPETUAL
    )
    assert advise(Unavailable("?"), carry(0, 0), horizon=MONTH, perpetual_cost=0, dated_cost=0).tenor is Tenor.DATED


@given(days=st.integers(1, 1000), life=st.integers(1, 200))
def test_rolls_cover_the_horizon(days: int, life: int) -> None:
    rolls = rolls_needed(timedelta(days=days), timedelta(days=life))
    assert (rolls + 1) * life >= days
    assert rolls == 0 or rolls * life < days


def test_resampled_horizons_have_the_moments_of_the_days() -> None:
    source, _ = returns()
    paths = horizon_returns(source.values, 30, paths=4000)
    logs = np.log1p(source.values)
    np.testing.assert_allclose(np.log1p(paths).mean(axis=0), 30 * logs.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(np.log1p(paths).std(axis=0), np.sqrt(30) * logs.std(axis=0), rtol=0.15)
    assert paths.tobytes() == horizon_returns(source.values, 30, paths=4000).tobytes()


def test_a_constant_market_compounds_exactly() -> None:
    flat = np.full((50, 2), 0.01)
    np.testing.assert_allclose(horizon_returns(flat, 10, paths=5), 1.01**10 - 1, rtol=1e-12)


def test_insurance_of_a_full_hedge_by_hand() -> None:
    held, short = np.array([100.0, 50.0]), np.array([60.0, 0.0])
    paths = np.array([[-0.5, -0.2], [0.1, 0.1]])
    policy = insurance(
        held=held,
        short=short,
        fall=np.array([0.3, 0.4]),
        paths=paths,
        cost=-2.0,
        protected=60.0,
        horizon=timedelta(days=73),
        method="by hand",
    )
    assert policy.premium == 2.0
    assert policy.premium_rate == pytest.approx(2.0 / 60.0 / 0.2)
    assert policy.cover == pytest.approx(18.0)
    assert policy.deductible == pytest.approx(30.0 + 20.0 - 18.0 + 2.0)
    assert policy.es_99_unhedged == pytest.approx(60.0)
    assert policy.es_99_hedged == pytest.approx(60.0 - 30.0 + 2.0)
    # the other way round the short loses 90 on a rise of 150 %, but no more than the 40 behind it
    rise = np.array([[1.5, -0.9], [0.0, 0.0]])
    terms = {"held": held, "short": short, "fall": np.array([0.3, 0.4]), "paths": rise, "cost": 0.0, "protected": 60.0}
    endless = insurance(**terms, horizon=MONTH, method="by hand")  # type: ignore[arg-type]  # mixed on purpose
    ended = insurance(**terms, horizon=MONTH, method="by hand", stakes=[(short, 40.0)])  # type: ignore[arg-type]
    assert endless.es_99_hedged == pytest.approx(max(-150.0 + 45.0 + 90.0, 0.0))
    assert ended.es_99_hedged == pytest.approx(max(-150.0 + 45.0 + 40.0, 0.0))
    assert mean_of_worst(np.array([1.0, 5.0, 3.0]), 0.01) == 5.0


def test_the_covariance_implies_the_ratio_it_is_anchored_to() -> None:
    source, _ = returns()
    weight = np.array([0.0, 0.0, 10.0, 20.0, 30.0, 40.0])
    anchor = np.array([0.61, 0.44])
    model = risk_model(source, weight, MONTH, anchor=anchor)
    sigma = model.covariance.dense()
    implied = np.linalg.solve(sigma[:2, :2], sigma[:2] @ weight) / weight.sum()
    np.testing.assert_allclose(implied, anchor, atol=2e-3)
    assert np.linalg.eigvalsh(sigma).min() > 0


def test_the_model_finds_known_slopes_and_variances() -> None:
    source, slopes = returns(n=4000)
    model = risk_model(source, np.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0]), timedelta(days=1))
    mean = slopes.mean(axis=0)
    np.testing.assert_allclose(model.implied, mean, atol=0.12)
    # half-way between own slope and the mean of all
    np.testing.assert_allclose(model.covariance.loadings[2:, :2], 0.5 * (slopes + mean), atol=0.2)
    assert model.covariance.residual[2:] == pytest.approx(np.full(4, 0.0004), rel=0.6)


def test_variance_scales_with_the_horizon_and_a_young_coin_borrows() -> None:
    source, _ = returns()
    values = source.values.copy()
    values[:-20, 3] = np.nan
    young = CoinReturns(Panel(source.panel.times, source.coins, values, timedelta(days=1)), 1)
    weight = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    day, month = (risk_model(young, weight, span) for span in (timedelta(days=1), MONTH))
    assert day.borrowed == ("B",)
    np.testing.assert_allclose(month.covariance.dense(), 30 * day.covariance.dense(), rtol=1e-3, atol=1e-6)
    assert np.isfinite(day.complete).all()


def test_factor_covariance_is_never_formed_but_equal() -> None:
    source, _ = returns()
    model = risk_model(source, np.ones(6), MONTH)
    x = np.arange(6.0)
    np.testing.assert_allclose(model.covariance.apply(x), model.covariance.dense() @ x, rtol=1e-12)
    assert model.covariance.variance(x) == pytest.approx(x @ model.covariance.dense() @ x)


@given(
    wanted=st.lists(st.floats(0, 1e5), min_size=3, max_size=3),
    short=st.lists(st.floats(0, 1e5), min_size=3, max_size=3),
    beta=st.lists(st.floats(0.01, 3), min_size=3, max_size=3),
)
def test_cover_is_never_more_than_wanted(wanted: list[float], short: list[float], beta: list[float]) -> None:
    want, have, slope = np.array(wanted), np.array(short), np.array(beta)
    direct, proxy = split_cover(want, have, slope)
    assert (direct <= want + 1e-9).all()
    assert (proxy >= 0).all()
    assert (direct + proxy <= want * (1 + 1e-12) + 1e-6).all()
    assert slope @ proxy <= slope @ (have - direct) * (1 + 1e-9) + 1e-6


@given(
    held=st.lists(st.floats(1, 1e5), min_size=2, max_size=6),
    survive=st.floats(0.01, 0.95),
    seed=st.integers(0, 1000),
)
def test_the_fall_of_the_whole_is_what_must_be_survived(held: list[float], survive: float, seed: int) -> None:
    rng = np.random.Generator(np.random.Philox(key=seed))
    value, tail = np.array(held), rng.uniform(0.2, 3.0, len(held))
    fall, market = falls(value, tail, survive)
    assert fall @ value == pytest.approx(survive * value.sum(), rel=1e-9)
    assert (fall <= 1).all()
    assert 0 < market <= 1


def test_failures_are_sorted_and_have_their_figures() -> None:
    storm = Storm(
        coins=("BTC", "A", "B"), held=np.array([0.0, 100.0, 100.0]), locked=np.array([0.0, 40.0, 0.0]),
        short=np.array([30.0, 50.0, 0.0]), proxy=np.array([0.0, 0.0, 20.0]), uncovered=np.array([0.0, 50.0, 80.0]),
        stand_in=np.array([30.0, 0.0, 0.0]), tail=np.array([1.0, 1.1, 2.0]), fall=np.array([0.2, 0.22, 0.4]),
        value=250.0, survive=0.31,
    )  # fmt: skip
    venues = [
        AtVenue("x", 50.0, 60.0, 80.0, 17.0, (Stake("", 50.0, 0.6),)),
        AtVenue("y", 5.0, 60.0, 5.0, 1.0, (Stake("", 5.0, 0.4),)),
    ]
    modes = {
        m.name: m
        for m in failure_modes(storm, venues, funding_at_cap=Unavailable("no cap"), horizon=MONTH, chance=0.01)
    }
    assert modes["beta shift"].loss == pytest.approx(20.0 * 0.4 - 30.0 * 0.2)
    assert modes["what is not covered"].loss == pytest.approx(50 * 0.22 + 80 * 0.4)
    assert modes["locked coins"].loss == pytest.approx(40 * 0.22)
    assert modes["venue failure"].loss == pytest.approx(67.0)
    assert "27% of the portfolio; 7 above its cap of 60" in modes["venue failure"].what
    assert modes["squeeze beyond the collateral"].loss == pytest.approx(5.0)
    assert modes["auto-deleveraging"].loss == pytest.approx(0.5 * (30 * 0.2 + 50 * 0.22))
    assert modes["stablecoin loses its peg"].loss == pytest.approx(0.12 * 55)
    assert list(modes)[-1] == "funding at its cap"
    isolated = AtVenue("x", 50.0, 60.0, 80.0, 1.0, (Stake("x:A", 20.0, 0.6), Stake("x:B", 30.0, 0.5)))
    alone = failure_modes(storm, [isolated], funding_at_cap=Unavailable("no cap"), horizon=MONTH, chance=0.01)
    squeeze = next(m for m in alone if m.name == "squeeze beyond the collateral")
    assert squeeze.loss == 30.0
    assert "x:B rises by 50%" in squeeze.what
    assert "the other shorts keep their 20" in squeeze.what
    assert "above its cap" not in next(m for m in alone if m.name == "venue failure").what


def test_missing_coins_are_left_out_and_the_rest_scaled() -> None:
    values = np.array([[0.1, 0.2, 0.0], [0.1, np.nan, 0.0], [np.nan, np.nan, 0.3]])
    out = book_return(values, np.array([0.5, 0.1, 0.4]))
    assert out[0] == pytest.approx(0.07)
    assert out[1] == pytest.approx(0.05 / 0.9)
    assert np.isnan(out[2])


def test_history_of_a_perfect_hedge_is_flat() -> None:
    source, _ = returns()
    held = np.array([0.0, 0.0, 1.0, 2.0, 3.0, 4.0])
    past = held_through(source, held, held)
    assert not isinstance(past, Unavailable)
    np.testing.assert_allclose(past.hedged, 1.0, atol=1e-12)
    assert past.unhedged[-1] == pytest.approx(np.prod(1 + source.values @ held / 10))
