"""The venue score: points by hand, point in time, hard stops, and the cap that follows a fact."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Evidence, Sourced, Unavailable
from stormsail.instruments.diligence import PARTS, cap, score, severity
from stormsail.instruments.types import VenueRecord

DAY = date(2025, 8, 31)


def fact(value: Any, as_of: date = DAY, evidence: Evidence = Evidence.MEASURED) -> Sourced[Any]:
    return Sourced(value, "test", as_of, evidence)


def record(**facts: Any) -> VenueRecord:
    known: dict[str, Any] = {
        "status": fact("active", date(2020, 1, 1)),
        "incidents": fact(()),
        "collateral_proof": fact({"method": "on-chain"}),
        "insurance_fund": fact({"usd": 1e9}),
        "oracle": fact({"design": "several sources"}),
        "oracle_incidents": fact(()),
        "adl": fact({"ranking": True, "indicator": True, "price": "bankruptcy"}),
        "control": fact({"who": "multisig"}),
        "halts": fact(()),
        "liquidity": fact({"daily_volume_usd": 1e11}),
    }
    return VenueRecord("v", "V", "exchange", "active", known | facts, {})


def test_points_by_hand() -> None:
    best = score(record(), DAY)
    assert best.parts == pytest.approx(
        {
            "security": 20,
            "collateral proof": 20,
            "insurance": 10,
            "oracle": 13.5,
            "liquidation": 10,
            "governance": 7,
            "liquidity": 10,
            "transparency": 5,
        }
    )
    assert best.score == pytest.approx(95.5)
    assert best.cap == pytest.approx(0.5 * (1 - (4.5 / 70) ** 2))


def test_a_theft_costs_by_size_age_and_whether_users_were_made_whole() -> None:
    theft = {"date": date(2023, 9, 1), "what": "theft", "loss_usd": 1e8, "made_whole": True}
    two_years = 2.0 ** (-(DAY - theft["date"]).days / 730)  # type: ignore[operator]  # a date by construction
    assert severity(1e8) == pytest.approx(0.7)
    quality = 1 - 0.7 * 0.5 * two_years
    assert score(record(incidents=fact((theft,))), DAY).parts["security"] == pytest.approx(20 * quality)
    worse = theft | {"made_whole": False}
    assert score(record(incidents=fact((worse,))), DAY).score < score(record(incidents=fact((theft,))), DAY).score


def test_events_after_the_day_are_not_read() -> None:
    theft = {"date": date(2025, 10, 1), "what": "theft", "loss_usd": 1e9, "made_whole": False}
    assert score(record(incidents=fact((theft,))), DAY) == score(record(), DAY)
    assert score(record(incidents=fact((theft,))), date(2025, 10, 2)).cap < score(record(), date(2025, 10, 2)).cap


def test_facts_after_the_day_are_not_read() -> None:
    early = date(2024, 1, 1)
    later = score(record(), early)
    assert later.parts["collateral proof"] == pytest.approx(5.0)
    assert any("collateral_proof unknown" in reason for reason in later.reasons)


def test_a_changed_fact_changes_the_cap() -> None:
    weaker = record(collateral_proof=fact({"method": "self-reported"}))
    assert score(weaker, DAY).cap < score(record(), DAY).cap
    assert score(record(collateral_proof=fact({"method": "audited", "lowest_ratio": 0.9})), DAY).parts[
        "collateral proof"
    ] == pytest.approx(0.0)


@pytest.mark.parametrize("word", ["closed", "compromised"])
def test_hard_stop(word: str) -> None:
    stopped = score(record(status=fact(word, date(2024, 1, 1))), DAY)
    assert (stopped.score, stopped.cap) == (0.0, 0.0)
    assert word in stopped.reasons[0]


def test_a_later_closure_does_not_stop_an_earlier_day() -> None:
    closed = replace(
        record(status=fact("closed", date(2025, 1, 1))), earlier={"status": (fact("active", date(2020, 1, 1)),)}
    )
    assert score(closed, date(2024, 12, 31)).score > 0
    assert score(closed, date(2025, 1, 1)).cap == 0.0
    assert score(closed, date(2019, 1, 1)).reasons == ("hard stop: not known to be active on 2019-01-01",)


def test_unknown_costs_and_is_named() -> None:
    for part in PARTS:
        gone = score(record(**{part.facts[0]: Unavailable("no source")}), DAY)
        assert gone.parts[part.name] == pytest.approx(part.points * 0.25)
        assert any(part.facts[0] in reason for reason in gone.reasons)
        assert gone.cap < score(record(), DAY).cap


def test_old_evidence_weighs_half() -> None:
    old = score(record(collateral_proof=fact({"method": "on-chain"}, date(2021, 1, 1))), DAY)
    assert old.parts["collateral proof"] == pytest.approx(20 * (0.25 + 0.75 * 0.5))


@given(st.sampled_from(list(Evidence)), st.sampled_from(["on-chain", "audited", "merkle", "self-reported", "none"]))
def test_stronger_evidence_never_lowers_a_good_claim(evidence: Evidence, method: str) -> None:
    weak = score(record(collateral_proof=fact({"method": method}, evidence=evidence)), DAY)
    strong = score(record(collateral_proof=fact({"method": method})), DAY)
    assert strong.parts["collateral proof"] >= weak.parts["collateral proof"] - 1e-12
    assert 0 <= weak.score <= 100
    assert 0 <= weak.cap <= 0.5


@given(st.floats(0, 100), st.floats(0, 100))
def test_cap_rises_with_the_score(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert cap(low) <= cap(high)
    assert cap(min(low, 30.0)) == 0.0
