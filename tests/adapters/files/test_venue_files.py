"""The shipped venue files and the strictness of their loader."""

from datetime import date
from pathlib import Path

import pytest

from stormsail.adapters.files.venue_files import load_venues, venue_directory
from stormsail.core import Evidence, SchemaError, Sourced, Unavailable

NEEDED = {"binance", "bybit", "bingx", "weex", "mexc", "okx", "deribit", "hyperliquid", "dydx"}
TODAY = date(2026, 12, 31)


def test_every_needed_venue_is_there_and_every_fact_is_sourced_or_unknown() -> None:
    venues = load_venues(today=TODAY)
    assert set(venues) >= NEEDED
    for record in venues.values():
        for name, fact in record.facts.items():
            assert isinstance(fact, Unavailable) or (fact.source and isinstance(fact.evidence, Evidence)), name
        assert {"funding", "fees", "defaults"} <= set(record.rules)
        assert all(rule.source for versions in record.rules.values() for rule in versions)


def test_unknown_stays_unknown() -> None:
    weex = load_venues(today=TODAY)["weex"]
    assert isinstance(weex.facts["incidents"], Unavailable)


def test_rules_are_dated() -> None:
    binance = load_venues(today=TODAY)["binance"]
    old, new = binance.rule("settlement", date(2024, 11, 10)), binance.rule("settlement", date(2024, 11, 11))
    assert not isinstance(old, Unavailable) and not isinstance(new, Unavailable)
    assert (old.values["window_minutes"], new.values["window_minutes"]) == (60, 30)
    assert isinstance(binance.rule("unheard", date(2024, 1, 1)), Unavailable)


def test_a_fact_is_read_as_it_was_known() -> None:
    binance = load_venues(today=TODAY)["binance"]
    fund = binance.known("insurance_fund", date(2021, 5, 18))
    assert isinstance(fund, Sourced) and "usd" not in fund.value
    later = binance.known("insurance_fund", date(2022, 5, 6))
    assert isinstance(later, Sourced) and later.value["usd"] == 1_000_000_000
    assert isinstance(binance.known("collateral_proof", date(2022, 11, 5)), Unavailable)


def _copy(tmp_path: Path, old: str, new: str, name: str = "mexc.toml") -> Path:
    text = (venue_directory() / "mexc.toml").read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[facts.control]", "[facts.controll]", "controll"),
        ("as_of = 2025-08-31\n", "", "as_of is missing"),
        ("as_of = 2025-08-31", "as_of = 2031-01-01", "lies in the future"),
        ('evidence = "self-reported"', 'evidence = "rumour"', "rumour"),
        ('method = "merkle"', 'method = "trust me"', "trust me"),
        ('who = "company"', 'whom = "company"', "whom"),
        ('taker = "0.0002"', "taker = 0.0002", "taker is the number"),
        ('formula = "stated inconsistently; read the API"\n', "", "formula is missing"),
        ('unknown = ["adl", ', "unknown = [", "adl is neither given nor listed"),
        ('unknown = ["adl"', 'unknown = ["control", "adl"', "control is both given and unknown"),
        ('value = "active"', 'value = "thriving"', "thriving"),
        ('type = "exchange"', 'type = "casino"', "casino"),
        ('key = "mexc"', 'key = "other"', "file named mexc.toml"),
        ("key =", "key", "not TOML"),
        ("date = 2025-08-31", 'date = "yesterday"', "is not a date"),
        ("as_of = 2025-08-31", "as_of = 2023-02-10", "same date"),
    ],
)
def test_a_slip_is_named_with_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(SchemaError, match=said) as caught:
        load_venues(_copy(tmp_path, old, new), today=TODAY)
    assert caught.value.where and "mexc.toml" in caught.value.where


def test_an_empty_directory_says_so(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no venue file"):
        load_venues(tmp_path)
