"""The page on margin says what the code holds."""

from __future__ import annotations

from pathlib import Path

from stormsail.margin.adl import ADL_RULES
from stormsail.margin.closeout_rules import CLOSEOUT_RULES
from stormsail.margin.venue_tables import DERIBIT

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "concepts" / "margin.md").read_text(encoding="utf-8")


def test_every_rule_is_on_the_page() -> None:
    for rule in CLOSEOUT_RULES:
        if rule.fee is None:
            fee = "by coin" if rule.venue == "deribit" else "taker fee"
        else:
            fee = f"{(100 * rule.fee).normalize():f} %"
        fund = ", to the fund" if rule.to_fund else ""
        assert f"| {rule.venue} | {rule.effective_from} | {rule.manner.value} | {fee}{fund} |" in PAGE
    for queue in ADL_RULES:
        price = "bankruptcy price" if queue.at_bankruptcy else "last mark price"
        assert f"| {queue.venue} | {queue.effective_from} | {queue.ranking.value} | {price} |" in PAGE
    for rates in DERIBIT:
        coin = rates.coin if rates.inverse else f"{rates.coin} (linear)"
        fee = "not read" if rates.liquidation_fee is None else f"{(100 * rates.liquidation_fee).normalize():f} %"
        share, step = (f"{(100 * x).normalize():f} %" for x in (rates.maintenance, rates.step))
        assert f"| {coin} | {rates.effective_from} | {share} | {step} | {fee} |" in PAGE
