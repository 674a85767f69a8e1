import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Unavailable
from stormsail.market.basis import annual_basis, basis_changes, basis_sd, implied_rate

positive = st.floats(1e-6, 1e6)
days = st.floats(0.5, 1000)


def test_textbook_forward() -> None:
    # Hull ch. 5: a stock at 40, 5 % a year, three months: the forward price is 40.50.
    forward = 40 * math.exp(0.05 * 0.25)
    assert round(forward, 2) == 40.50
    assert implied_rate(forward, 40, 365 * 0.25) == pytest.approx(0.05, abs=1e-12)


@given(positive, positive, days)
def test_the_two_rates_agree_on_the_price(futures: float, spot: float, left: float) -> None:
    simple, log = annual_basis(futures, spot, left), implied_rate(futures, spot, left)
    assert 1 + simple * left / 365 == pytest.approx(math.exp(log * left / 365), rel=1e-9)
    assert (simple > 0) == (futures / spot > 1)


@pytest.mark.parametrize("bad", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, 0.0), (math.nan, 1.0, 1.0)])
def test_prices_and_days_must_be_positive(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        annual_basis(*bad)
    with pytest.raises(ValueError, match="must be positive"):
        implied_rate(*bad)


def test_basis_risk_is_recovered_from_simulated_prices() -> None:
    rng = np.random.Generator(np.random.Philox(key=3))
    spot = 100 * np.exp(np.cumsum(rng.normal(0, 0.05, 20_000)))
    basis = np.cumsum(rng.normal(0, 0.0007, 20_000))
    assert basis_sd(spot * (1 + basis), spot) == pytest.approx(0.0007, rel=0.02)


def test_a_hole_leaves_two_changes_unavailable() -> None:
    spot = np.array([100.0, 100.0, np.nan, 100.0, 100.0])
    futures = np.array([101.0, 102.0, 102.0, 103.0, 103.5])
    changes = basis_changes(futures, spot)
    assert np.isnan(changes).tolist() == [False, True, True, False]
    assert changes[[0, 3]] == pytest.approx([0.01, 0.005])
    assert basis_sd(futures, spot) == Unavailable("2 changes of the basis, 20 needed")
