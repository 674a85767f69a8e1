"""Convergence: exact at expiry, known truth recovered, and the quarterlies of July 2025."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.adapters.sources.directory import DirectorySource
from stormsail.core import Estimate, InputError, Unavailable
from stormsail.forecast import dated_carry
from stormsail.market.convergence import Convergence, HorizonRisk, convergence, known_path, residual_over, residual_path
from stormsail.market.load import load_panel
from stormsail.market.lookup import Lookup
from stormsail.market.panel import Panel
from stormsail.market.resample import generator
from stormsail.market.schema import Kind, SeriesKey
from stormsail.market.source import MarketView

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def panel(basis: np.ndarray, step: timedelta = HOUR) -> Panel:
    times = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(len(basis)) * np.timedelta64(step)
    spot = 50_000.0 * np.exp(np.cumsum(0.005 * generator(3).standard_normal(len(basis))))
    return Panel(times.astype("datetime64[us]"), ("F", "S"), np.column_stack([spot * (1 + basis), spot]), step)


def told(found: Convergence | Unavailable) -> Convergence:
    assert isinstance(found, Convergence)
    return found


def ar1(phi: float, sd: float, n: int, key: int) -> np.ndarray:
    shocks = generator(key).standard_normal(n)
    out = np.zeros(n)
    out[0] = shocks[0] * sd / math.sqrt(1 - phi**2)
    for t in range(1, n):
        out[t] = phi * out[t - 1] + sd * shocks[t]
    return out


def test_cash_and_carry_of_the_textbook() -> None:
    """Bought at 40 and sold forward at 43 for three months (Hull, table 5.2): 3 locked, half of it after half the time.

    A forward of 39 is as far below: the short pays 1.
    """
    left = np.array([90.0, 45.0, 0.0])
    assert (40 * known_path(43 / 40 - 1, left)).tolist() == pytest.approx([3.0, 1.5, 0.0], abs=1e-12)
    assert residual_path(np.array([0.075, 0.0375, 0.0]), left).tolist() == pytest.approx([0, 0, 0], abs=1e-15)
    assert 40 * known_path(39 / 40 - 1, left)[0] == pytest.approx(-1.0)
    with pytest.raises(InputError):
        known_path(0.1, np.array([0.0]))


@given(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=50), st.integers(0, 10))
def test_at_expiry_nothing_is_left_of_the_residual(levels: list[float], beyond: int) -> None:
    """Whatever the basis did, at the end it is 0, and what a short received is the basis of entry."""
    basis = np.array([*levels, *[0.0] * (beyond + 1)])
    left = np.maximum(len(levels) - np.arange(len(basis), dtype=float), 0.0)
    path = residual_path(basis, left)
    assert path[0] == 0.0
    assert (path[len(levels) :] == 0.0).all()
    assert known_path(basis[0], left)[-1] == 0.0
    assert residual_over(basis, left, len(levels))[0] == 0.0


@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=40), st.integers(1, 20))
def test_known_and_residual_add_up_to_what_the_basis_fell(levels: list[float], extra: int) -> None:
    basis = np.array(levels)
    left = np.arange(len(basis), 0, -1, dtype=float) + extra
    earned = basis[0] - known_path(basis[0], left)
    assert earned + residual_path(basis, left) == pytest.approx(basis[0] - basis, abs=1e-15)
    steps = residual_over(basis, left, 1)
    assert steps == pytest.approx(basis[:-1] * left[1:] / left[:-1] - basis[1:], abs=1e-15)


def test_the_known_part_is_the_forecast_of_the_carry() -> None:
    """One rule in the plan's forecast and here: the basis falls in proportion to time."""
    expiry = START + 100 * DAY
    carry = dated_carry(102.0, 100.0, expiry, START, 30 * DAY)
    path = known_path(0.02, np.array([100.0, 70.0]))
    assert carry.expected == pytest.approx(path[0] - path[1], abs=1e-15)


@pytest.mark.parametrize("phi", [0.6, 0.9, 0.97])
def test_a_simulated_ar1_is_recovered(phi: float) -> None:
    found = told(convergence(panel(ar1(phi, 0.0002, 8_000, 11)), expiry=None))
    assert isinstance(found.persistence, Estimate)
    assert found.persistence.error is not None
    assert abs(found.persistence.value - phi) < 3 * found.persistence.error
    assert isinstance(found.half_life, timedelta)
    assert found.half_life / HOUR == pytest.approx(math.log(0.5) / math.log(phi), rel=0.15)
    stationary = 0.0002 / math.sqrt(1 - phi**2)
    for risk, hours in zip(found.horizons, (24, 168, 720), strict=True):
        assert isinstance(risk, HorizonRisk)
        true = stationary * math.sqrt(2 * (1 - phi**hours))
        assert risk.sd == pytest.approx(true, rel=0.12)
        assert risk.worst == pytest.approx(-2.326 * true, rel=0.2)
    methods = [r.method[:8] for r in found.horizons if isinstance(r, HorizonRisk)]
    assert methods == ["measured", "measured", "AR(1) ca"]


def test_over_many_short_samples_the_bias_is_taken_back() -> None:
    found = [told(convergence(panel(ar1(0.8, 1e-4, 60, key)), expiry=None)).persistence for key in range(300)]
    mean = np.mean([f.value for f in found if isinstance(f, Estimate)])
    assert mean == pytest.approx(0.8, abs=0.012)


def test_a_random_walk_has_no_half_life() -> None:
    walks = [0.0001 * np.cumsum(generator(key).standard_normal(500)) for key in range(100)]
    found = [told(convergence(panel(walk), expiry=None)) for walk in walks]
    seen = sum(isinstance(f.half_life, timedelta) for f in found)
    assert seen <= 12  # 5 % by the test's size
    month = found[0].horizons[2]
    assert isinstance(month, HorizonRisk)
    assert month.sd == pytest.approx(0.0001 * math.sqrt(720), rel=0.1)


def test_a_dated_contract_that_keeps_its_rate_has_next_to_no_residual() -> None:
    expiry = START + 60 * DAY
    left = np.array([(expiry - START) / DAY - i / 24 for i in range(1_000)])
    basis = np.exp(0.08 * left / 365) - 1
    found = told(convergence(panel(basis), expiry=expiry))
    assert found.left is not None
    assert found.left / DAY == pytest.approx(left[-1], abs=1e-6)
    assert found.locked == pytest.approx(basis[-1], abs=1e-12)
    assert found.earned == pytest.approx(basis[0] * (1 - left[-1] / left[0]), abs=1e-12)
    assert 0 < found.residual < basis[0] ** 2 / 8
    assert found.earned + found.residual == pytest.approx(basis[0] - basis[-1], abs=1e-12)
    assert isinstance(found.sd, Estimate)
    assert found.sd.value < 1e-7


def test_a_horizon_beyond_the_end_and_a_short_history_are_unavailable() -> None:
    noise = 1e-4 * generator(2).standard_normal(48)
    found = told(convergence(panel(0.01 + noise), expiry=START + 10 * DAY))
    assert isinstance(found.horizons[0], HorizonRisk) and isinstance(found.horizons[1], HorizonRisk)
    assert "ends first" in str(found.horizons[2])
    few = told(convergence(panel(noise[:10]), expiry=None))
    assert all(isinstance(x, Unavailable) for x in (few.sd, few.persistence, few.half_life, *few.horizons))
    assert isinstance(convergence(panel(np.full(30, np.nan)), expiry=None), Unavailable)
    with pytest.raises(InputError, match="columns"):
        convergence(panel(noise).select(["F"]), expiry=None)


def test_holes_are_left_out_and_not_filled() -> None:
    basis = ar1(0.9, 0.0002, 4_000, 4)
    basis[generator(1).random(4_000) < 0.3] = np.nan
    found = told(convergence(panel(basis), expiry=None))
    assert isinstance(found.persistence, Estimate)
    assert found.persistence.value == pytest.approx(0.9, abs=0.03)
    assert found.persistence.n < 2_200


@pytest.mark.realdata
def test_quarterlies_and_perpetuals_of_july_2025(real_data: Path) -> None:
    view = MarketView(DirectorySource(real_data), datetime(2025, 7, 31, 23, tzinfo=UTC))
    lookup = Lookup.of(view)
    for coin, locked in (("BTC", 0.028638762), ("ETH", 0.027808256)):
        spot = lookup.spot(coin)
        assert spot is not None
        week = {}
        for info in (*lookup.dated(coin), *lookup.perpetuals(coin)):
            prices, _ = load_panel(view, {"F": info, "S": spot}, step=HOUR, length=720)
            found = told(convergence(prices, expiry=info.expiry))
            risk = found.horizons[1]
            assert isinstance(risk, HorizonRisk)
            week[info.expiry is None] = risk.sd
            if info.expiry is not None:
                assert found.locked == pytest.approx(locked, abs=1e-8)
                assert found.residual < 0 < found.earned  # the basis widened in July 2025
                assert "cannot be told" in str(found.half_life)
            else:
                assert isinstance(found.half_life, timedelta)
                assert 2 * HOUR < found.half_life < 8 * HOUR
        assert 0.004 < week[False] < 0.007
        assert 0.0002 < week[True] < 0.0004


@pytest.mark.realdata
def test_perpetuals_of_three_venues_over_eighteen_months(real_data: Path) -> None:
    """Coin-margined contracts part from spot in USDT twice as far as linear ones: they are priced in dollars."""
    view = MarketView(DirectorySource(real_data), datetime(2024, 6, 30, tzinfo=UTC))
    lookup, step = Lookup.of(view), 8 * HOUR
    for coin in ("BTC", "ETH"):
        week: dict[tuple[str, Kind], float] = {}
        for info in (*lookup.perpetuals(coin), *lookup.inverse(coin)):
            key = SeriesKey(Kind.SPOT, info.key.venue, f"{coin}@8h")
            spot = next(i for i in lookup.fresh if i.key == key)
            prices, _ = load_panel(view, {"F": info, "S": spot}, step=step, length=3 * 540)
            found = told(convergence(prices, expiry=None))
            assert isinstance(found.half_life, timedelta)
            assert 4 * HOUR < found.half_life < 72 * HOUR
            risk = found.horizons[1]
            assert isinstance(risk, HorizonRisk)
            assert risk.method == "measured"
            week[info.key.venue, info.key.kind] = risk.sd
        for venue in ("binance", "bybit", "okx"):
            assert 0.0002 < week[venue, Kind.PERPETUAL] < 0.0005
            assert week[venue, Kind.INVERSE] > 2 * week[venue, Kind.PERPETUAL]
