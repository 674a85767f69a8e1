from datetime import timedelta

import numpy as np
import pytest

from stormsail.market.panel import Panel, align
from tests.support import DAY, HOUR, START, bars


def _panel() -> Panel:
    values = np.array([[1.0, 10.0], [2.0, np.nan], [3.0, 30.0], [6.0, 15.0]])
    times = np.datetime64("2024-01-02", "us") + np.arange(4) * np.timedelta64(1, "D")
    return Panel(times.astype("datetime64[us]"), ("A", "B"), values, DAY)


def test_returns_by_hand_with_holes_on_both_sides_of_a_hole() -> None:
    returns = _panel().returns()
    assert returns.column("A").tolist() == [1.0, 0.5, 1.0]
    assert np.isnan(returns.column("B")).tolist() == [True, True, False]
    assert returns.column("B")[2] == -0.5
    assert returns.times[0] == _panel().times[1]


def test_selecting_and_cutting() -> None:
    panel = _panel()
    assert panel.select(["B", "A"]).values.tolist()[0] == [10.0, 1.0]
    assert panel.last(2).column("A").tolist() == [3.0, 6.0]
    assert panel.window == "2024-01-02..2024-01-05 1d"
    with pytest.raises(ValueError, match="do not fit"):
        Panel(panel.times, ("A",), panel.values, DAY)


def test_a_value_is_the_last_known_one_unless_too_old() -> None:
    frame = bars([1.0, 2.0, 3.0], bar=3 * HOUR)
    panel = align({"A": frame}, end=START + 14 * HOUR, step=HOUR, length=12, tolerance=timedelta(hours=4))
    known = [None if np.isnan(v) else v for v in panel.values[:, 0]]
    assert known == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0, None]
