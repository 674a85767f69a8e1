"""A carry that is not known is neither income nor silently nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit import Tolerance
from stormsail.core import Contract, Tenor, Trouble, Unavailable
from stormsail.forecast.types import CarryForecast, MaybeCarry
from stormsail.instruments.counted import counted_carry
from stormsail.market.schema import Kind
from stormsail.plan import make_plan
from stormsail.plan.prepare import prepare
from stormsail.plan.survey import survey
from tests.support import MemorySource

from .market import AS_OF, portfolio, source
from .test_parts import carry, contract

NO = Unavailable("no settlement is known")


def offered(*carries: float | None, tenor: Tenor = Tenor.PERPETUAL) -> list[tuple[Contract, MaybeCarry]]:
    return [
        (contract(tenor, f"C{tenor.value}{i}USDT"), NO if c is None else carry(c, c - 0.01))
        for i, c in enumerate(carries)
    ]


def test_what_is_paid_by_most_is_taken_to_be_paid() -> None:
    values, found = counted_carry(offered(-0.01, None, -0.03, -0.02))
    assert values.tolist() == [-0.01, -0.02, -0.03, -0.02]
    (one,) = found
    assert (one.trouble, one.subject, one.cause) == (Trouble.DEGRADED, "carry-counted v:Cperpetual1USDT", NO.reason)
    assert "median of the 3 known perpetual contracts, -2.00% over the horizon" in one.cure


def test_income_that_nothing_shows_is_not_counted_on() -> None:
    values, (one,) = counted_carry(offered(0.01, None, 0.03))
    assert values.tolist() == [0.01, 0.0, 0.03]
    assert "+2.00%; income nothing shows is not counted on" in one.cure


def test_another_tenor_is_asked_only_where_its_own_has_none() -> None:
    mixed = offered(-0.01, -0.02, -0.06) + offered(None, tenor=Tenor.DATED)
    values, (one,) = counted_carry(mixed)
    assert values[3] == -0.02 and "3 known other contracts" in one.cure
    values, _ = counted_carry(mixed + offered(-0.10, tenor=Tenor.DATED))
    assert values[3] == -0.10


def test_where_nothing_is_known_that_is_said() -> None:
    values, found = counted_carry(offered(None, None))
    assert values.tolist() == [0.0, 0.0] and len(found) == 2
    assert all("no carry of any contract is known" in f.cure for f in found)


@given(st.lists(st.none() | st.floats(-0.2, 0.2), max_size=8))
def test_the_known_stay_and_the_unknown_are_each_told(carries: list[float | None]) -> None:
    values, found = counted_carry(offered(*carries))
    assert len(found) == carries.count(None)
    for value, given_carry in zip(values, carries, strict=True):
        assert value == given_carry if given_carry is not None else value <= 0.0


def test_in_a_plan_it_reaches_the_programme_and_the_reader() -> None:
    """A venue whose record says nothing of funding: the contract without settlements has no carry at all."""
    data = source()
    gone = ("AAAUSDT", Kind.FUNDING)
    some = MemorySource({i: data.frames[k] for k, i in data.infos.items() if (k.symbol, k.kind) != gone})
    paid = {i: some.frames[k] for k, i in some.infos.items()}
    for info, frame in paid.items():
        if info.key.kind is Kind.FUNDING:
            paid[info] = frame.with_columns(-frame["rate_per_interval"])  # shorts pay
    record = load_venues()["binance"]
    silent = {"binance": replace(record, rules={k: v for k, v in record.rules.items() if k != "funding"})}
    view = MemorySource(paid).view(AS_OF)
    held, wish = portfolio(data), Tolerance(coverage=0.25, budget=Decimal(100_000))
    made = prepare(survey(held, view, wish, venues=silent))
    at = [t.contract.base for t in made.desk.terms].index("AAA")
    known = [t.carry.expected for t in made.desk.terms if isinstance(t.carry, CarryForecast)]
    assert len(known) == len(made.desk.terms) - 1 and np.median(known) < 0
    assert made.desk.carry[at] == pytest.approx(np.median(known))
    plan = make_plan(held, view, wish, venues=silent)
    said = [f for f in plan.findings if f.subject == "carry-counted binance:AAAUSDT"]
    assert len(said) == 1 and f"{np.median(known):+.2%}" in said[0].cure
    assert "funding of 1 of" in plan.cost.left_out[0]
