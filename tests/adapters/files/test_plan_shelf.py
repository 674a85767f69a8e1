"""Plans that are kept: whole, sealed, taken again only for the same input; a stopped run ends as if it never was."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from stormsail.adapters.files._whole import classes, decode, encode
from stormsail.adapters.files.backtest_files import backtest_to_dict, write_backtest
from stormsail.adapters.files.plan_file import digest_of, plan_to_dict, read_plan
from stormsail.adapters.files.plan_shelf import PlanShelf
from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit.tolerance import Tolerance
from stormsail.core import Tenor, Unavailable
from stormsail.lab import forward
from stormsail.lab.backtest import Backtest, backtest
from stormsail.margin.types import MarginMode
from stormsail.plan import make_plan
from stormsail.plan.types import HedgePlan
from stormsail.watch.policy import Policy
from tests.plan.market import AS_OF, portfolio, source

DAY = timedelta(days=1)
TOLERANCE = Tolerance(coverage=0.5)


def shelf(folder: Path, tolerance: Tolerance = TOLERANCE) -> PlanShelf:
    data = source()
    return PlanShelf(folder, portfolio(data), tolerance, MarginMode.CROSS, load_venues(), data, "1")


def ran(folder: Path) -> Backtest:
    data = source()
    return backtest(
        portfolio(data), data, TOLERANCE, Policy(replan=3 * DAY), start=AS_OF, end=AS_OF + 8 * DAY,
        venues=load_venues(), shelf=shelf(folder),
    )  # fmt: skip


@cache
def planned() -> HedgePlan:
    data = source()
    return make_plan(portfolio(data), data.view(AS_OF), TOLERANCE, venues=load_venues())


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1.50"), Decimal("1E+3"), Tenor.DATED, float("inf"), (1, (2.5, None), "x"), {"a": (True, Decimal(0))},
        {3.5: "by a number"}, timedelta(hours=5, microseconds=3), date(2024, 2, 29), AS_OF, Unavailable("why"),
        frozenset({"b", "a"}),
    ],
)  # fmt: skip
def test_values_come_back_as_they_were(value: object) -> None:
    back = decode(json.loads(json.dumps(encode(value))), HedgePlan)
    assert back == value
    assert type(back) is type(value)
    assert str(back) == str(value)


def test_a_whole_plan_comes_back_to_the_last_digit() -> None:
    back = decode(json.loads(json.dumps(encode(planned()))), HedgePlan)
    assert encode(back) == encode(planned())
    assert plan_to_dict(back) == plan_to_dict(planned())


@pytest.mark.parametrize(
    "data", [{"!": "Path", "x": 1}, {"#": ["Path", "x"]}, {"?": 1}, {"!": "Unavailable", "wrong": 1}, {"a": 1, "b": 2}]
)
def test_what_is_not_of_a_plan_is_not_made(data: object) -> None:
    with pytest.raises(ValueError, match=r"unknown|not of this form|unexpected"):
        decode(data, HedgePlan)


def test_only_classes_of_the_plan_can_be_made() -> None:
    known = classes(HedgePlan)
    assert {"Order", "Contract", "Tolerance", "Unavailable", "Tenor"} <= set(known)
    assert all(made.__module__.startswith("stormsail.") for made in known.values())


def test_what_is_kept_is_a_plan_file_too(tmp_path: Path) -> None:
    shelf(tmp_path).keep(planned(), None)
    assert read_plan(tmp_path / f"{AS_OF:%Y-%m-%dT%H%M}.json").digest == plan_to_dict(planned())["digest"]


def test_it_is_taken_again_only_for_the_same_input(tmp_path: Path) -> None:
    shelf(tmp_path).keep(planned(), None)
    taken = shelf(tmp_path).take(AS_OF, None)
    assert taken is not None
    assert encode(taken) == encode(planned())
    assert shelf(tmp_path).take(AS_OF + DAY, None) is None
    assert shelf(tmp_path).take(AS_OF, planned()) is None
    assert shelf(tmp_path, Tolerance(coverage=0.4)).take(AS_OF, None) is None


def _changed(text: str) -> str:
    data = json.loads(text)
    data["plan"]["source"] = "another"
    return json.dumps(data)


def _resealed(text: str) -> str:
    """Sealed again after it was made to name a class that is not a plan's."""
    data = json.loads(text)
    data["plan"] = {"!": "Popen", "args": "x"}
    return json.dumps({**data, "digest": digest_of(data)})


@pytest.mark.parametrize("spoil", [_changed, _resealed, lambda t: t[:-40], lambda t: "[]", lambda t: ""])
def test_a_spoilt_file_is_made_anew(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    shelf(tmp_path).keep(planned(), None)
    path = tmp_path / f"{AS_OF:%Y-%m-%dT%H%M}.kept"
    path.write_text(spoil(path.read_text()))
    assert shelf(tmp_path).take(AS_OF, None) is None


def test_a_run_that_was_killed_goes_on_and_ends_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    made: list[datetime] = []
    real = forward.make_plan

    def dying(portfolio, view, *args, **kwargs):  # type: ignore[no-untyped-def]
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(view.as_of)
        return real(portfolio, view, *args, **kwargs)

    monkeypatch.setattr(forward, "make_plan", dying)
    with pytest.raises(KeyboardInterrupt):
        ran(broken)
    left = sorted(path.name for path in broken.iterdir())
    assert len(left) == 4
    assert all(read_plan(broken / name).orders for name in left if name.endswith(".json"))

    def counting(portfolio, view, *args, **kwargs):  # type: ignore[no-untyped-def]
        made.append(view.as_of)
        return real(portfolio, view, *args, **kwargs)

    monkeypatch.setattr(forward, "make_plan", counting)
    resumed = ran(broken)
    assert made == [AS_OF, AS_OF + 3 * DAY, AS_OF + 6 * DAY]
    for name, test in ((whole, ran(whole)), (broken, resumed)):
        write_backtest(test, name)
    assert made[3:] == made[:3]
    for path in sorted(whole.iterdir()):
        assert path.read_bytes() == (broken / path.name).read_bytes()
    assert backtest_to_dict(resumed)["plans"][1]["digest"] == plan_to_dict(resumed.plans[1])["digest"]
