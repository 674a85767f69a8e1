"""The basis in the chapter on cost: what is locked, what a bad week costs, and the parts of what is left."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from stormsail.core import Unavailable
from stormsail.market.term import Floating, TermPoint, TermStructure
from stormsail.plan.types import BasisRisk, BookBasis
from stormsail.report.page import show_section
from stormsail.report.tables import Section, present
from stormsail.report.text_basis import basis_lead, basis_table, curves_table

RISK = BasisRisk(timedelta(days=7), 900.0, 0.0, 1600.0, Unavailable("no price of USDT in dollars"))
BASIS = BookBasis(1200.0, 30.0, -75.0, 358, 0.0, "358 overlapping weeks", RISK)


def shown(basis: BookBasis | Unavailable) -> str:
    out = StringIO()
    section = Section("cost", "Cost", basis_lead(basis, "USD"), present([basis_table(basis, "USD")]))
    show_section(Console(file=out, width=120), section)
    return " ".join(out.getvalue().split())


def test_locked_and_a_bad_week_are_told() -> None:
    text = shown(BASIS)
    assert "Basis: held to their ends, what the dated shorts have locked earns 1,200 USD; one bad week" in text
    assert "one bad week (the worst 1 %) costs 75.00 USD if the shorts must be closed in it" in text
    assert "(358 overlapping weeks)." in text
    assert "costs 1,200 USD; one" in shown(replace(BASIS, locked=-1200.0))
    assert "locked" not in shown(replace(BASIS, locked=0.0))


def test_the_parts_have_their_shares_and_what_is_missing_is_named() -> None:
    text = shown(BASIS)
    assert "Contracts moving against their coins 30.00 36.0" in text
    assert "What coins do that their substitutes do not 40.00 64.0" in text
    assert "Together 50.00" in text
    assert "n/a[1]" in text and "[1] no price of USDT in dollars" in text


def test_what_is_not_known_or_not_measured_is_said() -> None:
    unknown = Unavailable("no short has a spot price apart from its own")
    text = shown(replace(BASIS, worst=unknown, sd=unknown, risk=replace(RISK, basis=unknown)))
    assert "what one bad week costs on the way is unavailable (no short has a spot price apart from its own)" in text
    assert "shorts of 500.00 USD left out" in shown(replace(BASIS, unmeasured=500.0))
    assert "is unavailable (gone); one bad week" in shown(replace(BASIS, locked=Unavailable("gone")))


@pytest.mark.parametrize("basis", [Unavailable("nothing is short")])
def test_without_shorts_nothing_is_told(basis: Unavailable) -> None:
    assert basis_lead(basis, "USD") == ()
    assert "Standard" not in shown(basis)


def test_the_curve_shows_every_contract_and_the_rate_between_two() -> None:
    now = datetime(2025, 7, 1, tzinfo=UTC)
    points = tuple(
        TermPoint(f"v:{days}", now, now + timedelta(days=days), days, 102.0, 100.0, 0.02, 0.02 * 365 / days, rate)
        for days, rate in ((73, 0.10), (146, 0.12))
    )
    own = Floating("v:own", now, 99.0, 100.0, -0.01, Unavailable("no settled funding"), 0)
    out = StringIO()
    curve = TermStructure("BTC", "v", "USDT", now, points, (own,))
    show_section(Console(file=out, width=120), Section("c", "C", (), (curves_table([curve]),)))
    text = " ".join(out.getvalue().split())
    assert "v:own 99 100 no end -1.00 n/a[1]" in text
    assert "v:73 102 100 73 +2.00 +10.0 v:146 102 100 146 +2.00 +12.0 +14.0" in text
