import pickle
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from stormsail.adapters.files.venue_files import load_venues
from stormsail.app.sweep_verbs import grid, warning
from stormsail.audit import Tolerance
from stormsail.core import ConfigError, InputError, UnavailableError
from stormsail.lab.backtest import backtest
from stormsail.lab.fleet_backtest import figures_of
from stormsail.lab.settings import CRITERIA, PlanSetting, RunSetting, Span, Verdict, choose, course_of, span_of
from stormsail.lab.workers import Serial, gathered
from stormsail.watch.policy import Policy, Rebalance
from tests.plan.market import AS_OF, portfolio, source

START, END = AS_OF - timedelta(days=20), AS_OF + timedelta(days=10)


def test_every_setting_is_the_backtest_of_its_own() -> None:
    market = source()
    planner = PlanSetting(portfolio(market), market, load_venues, START, END)
    wishes = [(Tolerance(coverage=0.3), timedelta(days=15)), (Tolerance(coverage=0.6), timedelta(days=15))]
    forwards = gathered(Serial(), planner, wishes)
    course = course_of(forwards, market, start=START, end=END)
    policies = [Policy(Rebalance(half_width=w), replan=timedelta(days=15)) for w in (0.005, 0.1)]
    asked = [(i, policy) for i in range(2) for policy in policies]
    runner = RunSetting(course, tuple(forwards))
    verdicts = gathered(Serial(), runner, asked)
    assert gathered(Serial(), pickle.loads(pickle.dumps(runner)), asked[::-1]) == verdicts[::-1]  # as workers get it
    test = backtest(portfolio(market), market, wishes[1][0], policies[1], start=START, end=END, venues=load_venues())
    alone = figures_of(test.replay)
    mine = verdicts[3].figures
    assert mine is not None
    assert mine.parts.change == alone.parts.change
    # where a coin is not held its spot price is not in the course of one: hedge and basis may divide otherwise
    assert replace(mine.parts, hedge=alone.parts.hedge, basis=alone.parts.basis) == alone.parts
    fees = [v.figures.parts.fees for v in verdicts if v.figures]
    assert len(set(fees)) == 4
    assert max(fees[2:]) < min(fees[:2]) < 0
    half = len(course.times) // 2
    hedged = test.paths.hedged
    first, second = verdicts[3].first, verdicts[3].second
    assert first is not None
    assert second is not None
    value = test.paths.unhedged
    assert first.change == pytest.approx((hedged[half] - hedged[0]) / value[0], rel=1e-9)
    assert second.change == pytest.approx((hedged[-1] - hedged[half]) / value[half], rel=1e-9)


def test_a_span_by_its_criteria() -> None:
    unhedged = np.array([100.0, 110.0, 90.0, 100.0])
    hedged = np.array([100.0, 105.0, 95.0, 100.0])
    found = span_of(unhedged, hedged, slice(None))
    assert found.change == 0.0
    assert found.fall == pytest.approx(-10 / 105)
    assert found.tail == pytest.approx(-0.10)
    assert found.variance == pytest.approx(0.75)


def judged(first: float, second: float) -> Verdict:
    return Verdict(None, Span(first, first, first, first), Span(second, second, second, second))


def test_the_best_is_chosen_on_one_half_and_judged_on_the_other() -> None:
    verdicts = [judged(1.0, 5.0), judged(3.0, 2.0), judged(2.0, 4.0), Verdict(None, None, None, "E300 no"),
                judged(3.0, 9.0)]  # fmt: skip
    found = choose(verdicts, "fall")
    assert (found.best, found.tried, found.first, found.second) == (1, 4, 3.0, 2.0)
    assert found.rank == 4
    assert found.usual == 4.5
    ranks = np.corrcoef([1.0, 3.5, 2.0, 3.5], [3.0, 1.0, 2.0, 4.0])[0, 1]
    assert found.agreement == pytest.approx(ranks)
    assert "ranks 4 of 4" in warning(found)
    assert "does not agree" in warning(replace(found, agreement=-0.1)).replace("do not agree", "does not agree")
    # what the second half holds does not touch the choice
    assert choose([replace(v, second=v.first) for v in verdicts], "fall").best == 1
    with pytest.raises(InputError, match="no criterion"):
        choose(verdicts, "luck")
    with pytest.raises(UnavailableError, match="E300"):
        choose(verdicts[3:4], CRITERIA[0])


def test_the_grid_is_every_combination() -> None:
    found = grid(["coverage=30%,50%", "rebalance.half_width=1%,none", "venues=binance+bybit"], {"survive": "20%"},
                 Policy())  # fmt: skip
    assert [dict(s.told)["coverage"] for s in found] == ["30%", "30%", "50%", "50%"]
    assert [s.policy.rebalance.half_width for s in found] == [0.01, None, 0.01, None]
    assert {s.tolerance.survive for s in found} == {0.2}
    assert {s.tolerance.venues for s in found} == {("binance", "bybit")}
    assert len(grid(["ladder.top_up=0.1,0.15,0.2", "tolerance.coverage=20%"], {}, Policy())) == 3


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["rebalance.half_widht=1%"], "rebalance.half_width"),
        (["covrage=1%"], "coverage"),
        (["coverage="], "value,value"),
        ([], "--set"),
        (["coverage=10%", "coverage=20%"], "at once"),
        (["rebalance.half_width=200%"], "half_width"),
    ],
)
def test_what_cannot_be_set_is_told_with_the_nearest(values: list[str], told: str) -> None:
    with pytest.raises((InputError, ConfigError)) as caught:
        grid(values, {}, Policy())
    assert told in f"{caught.value.cause} {caught.value.cure} {caught.value.where}"
