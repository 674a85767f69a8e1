"""What the terms say where a venue does not."""

from datetime import UTC, date, datetime
from decimal import Decimal

from stormsail.core import Contract, Payoff, Tenor, Unavailable
from stormsail.plan.terms import FALLBACK_CAP, _assumed_cap, _cap


def contract(tenor: Tenor = Tenor.PERPETUAL) -> Contract:
    one, end = Decimal(1), datetime(2025, 3, 28, tzinfo=UTC) if tenor is Tenor.DATED else None
    return Contract("v", "AUSDT", "A", "USDT", tenor, Payoff.LINEAR, one, one, one, one, one, one, end)


def test_an_assumed_funding_cap_is_said_with_its_figure() -> None:
    cap = _cap(None, contract(), date(2025, 1, 1))
    assert isinstance(cap, Unavailable)
    (found,) = _assumed_cap(contract(), cap)
    assert found.subject == "funding-cap v:AUSDT"
    assert found.cure.startswith("0.3% per 8h is assumed")


def test_a_stated_cap_and_a_dated_contract_need_no_assumption() -> None:
    assert _assumed_cap(contract(), FALLBACK_CAP) == []
    assert _cap(None, contract(Tenor.DATED), date(2025, 1, 1)) == (0.0, 8.0)
