"""What you hold and what it could lose, in sentences and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from rich.console import Console

from stormsail.audit.types import AssetExposure, ExposureReport, Risk, Unpriced
from stormsail.core import Maybe, Unavailable, to_float
from stormsail.report.format import (
    amounts,
    bar_of,
    clean,
    count,
    fixed,
    listing,
    moment,
    money,
    percent,
    points,
    price,
    quantity,
    window,
)
from stormsail.report.page import TOP, say, show_section
from stormsail.report.tables import HTML_ONLY, Builder, Cell, Column, Section, Table
from stormsail.report.text_findings import findings_section

BETA_NOTE = "Beta: by how many percent it moves when BTC moves by 1 %; 'falls' counts only the times when BTC fell."
LOSS_NOTE = "Worst 5 % day: on one day in twenty it lost this much or more (historical value at risk)."

_MEASURES: tuple[tuple[str, str, bool], ...] = (
    ("volatility", "Swing of a year (volatility)", True),
    ("drawdown", "Deepest fall from a peak", True),
    ("var_95", "Loss in the worst 5 % of days, or more", True),
    ("es_95", "Mean loss in the worst 5 % of days", True),
    ("var_99", "Loss in the worst 1 % of days, or more", True),
    ("es_99", "Mean loss in the worst 1 % of days", True),
    ("var_95_normal", "Worst 5 % if returns were normal", True),
    ("es_95_normal", "Mean of the worst 5 % if normal", True),
    ("beta_btc", "Beta to BTC", False),
    ("beta_up", "Beta to BTC when it rises", False),
    ("beta_down", "Beta to BTC when it falls", False),
    ("beta_eth", "Beta to ETH", False),
    ("beta_alts", "Beta to the average altcoin", False),
    ("tail_ratio", "Fall per fall of BTC, at its worst 2 %", False),
)


def print_audit(console: Console, report: ExposureReport, *, currency: str = "USD", top: int = TOP) -> None:
    """Print an audit: what is held, what it could lose, and what was noticed.

    Args:
        console: Where to print; its width and encoding are respected.
        report: The audit.
        currency: Currency of the values.
        top: Rows shown of a long table.
    """
    say(console, f"As of {moment(report.as_of)}; data up to {moment(report.data_end)}.")
    console.print()
    show_section(console, audit_section(report, currency), top=top)
    if report.findings:
        show_section(console, findings_section(report.findings), top=top)


def audit_section(report: ExposureReport, currency: str) -> Section:
    """The chapter on exposure."""
    return Section(
        "exposure",
        "What you hold and what it could lose",
        audit_lead(report, currency),
        (_assets_table(report, currency), _risk_table(report.risk)),
    )


def audit_lead(report: ExposureReport, currency: str) -> tuple[str, ...]:
    """The audit in sentences."""
    return (
        f"{_held(report, currency)} {_daily_loss(report, currency)}".strip(),
        f"{_longer(report.risk)} {_with_btc(report.risk)} {_spread(report)}".strip(),
    )


def _held(report: ExposureReport, currency: str) -> str:
    coins = sum(not a.is_cash for a in report.assets)
    cash = report.value - report.risky_value
    text = f"You hold {money(report.value, currency)} in {count(coins, 'coin')}"
    if cash > 0:
        text += f" and cash ({money(cash, currency)} in stablecoins)"
    if report.locked_value > 0:
        text += f"; {money(report.locked_value, currency)} of it is locked: it can be hedged, but not sold now"
    if report.unpriced:
        text += f"; besides, {unpriced_words(report.unpriced)}, whose value is unavailable and in no figure here"
    return f"{text}."


def unpriced_words(unpriced: Sequence[Unpriced]) -> str:
    """Coins without a price, with their quantities: ``120 WIF and 3 APT``."""
    return f"{listing([f'{quantity(gone.quantity)} {clean(gone.asset)}' for gone in unpriced])}"


def _daily_loss(report: ExposureReport, currency: str) -> str:
    var, es = report.risk.var_95, report.risk.es_95
    if isinstance(var, Unavailable):
        return f"What it could lose on a day is unavailable: {var.reason}."
    text = f"In the worst 5 % of days the coins lose {_loss(var.value, report.risky_value, currency)} or more"
    if not isinstance(es, Unavailable):
        text += f", on average {_loss(es.value, report.risky_value, currency)}"
    return f"{text}; this is counted over {count(var.n, bar_of(var.window))} ({window(var.window)})."


def _loss(fraction: float, value: float, currency: str) -> str:
    return f"{percent(fraction)} ({money(fraction * value, currency)})"


def _longer(risk: Risk) -> str:
    parts = []
    if not isinstance(risk.volatility, Unavailable):
        parts.append(f"their value swings by {percent(risk.volatility.value, 0)} a year")
    if not isinstance(risk.drawdown, Unavailable):
        parts.append(f"the deepest fall in that time was {percent(risk.drawdown.value, 0)}")
    text = " and ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _with_btc(risk: Risk) -> str:
    up, down, tail = risk.beta_up, risk.beta_down, risk.tail_ratio
    if isinstance(up, Unavailable) or isinstance(down, Unavailable):
        return ""
    text = f"When BTC falls by 10 % they fall by about {percent(down.value * 0.1)}; "
    text += f"when BTC rises by 10 % they rise by about {percent(up.value * 0.1)}"
    if not isinstance(tail, Unavailable):
        text += f"; on BTC's worst days they fell {fixed(tail.value, 2)} times as much as BTC"
    return f"{text}."


def _spread(report: ExposureReport) -> str:
    number = report.effective_assets
    if isinstance(number, Unavailable):
        return ""
    return f"The value is spread as if over {fixed(number.value, 1)} equal holdings."


def _locked(asset: AssetExposure) -> float:
    held = asset.quantity
    return float((held - asset.sellable) / held) if held > Decimal(0) else 0.0


def _assets_table(report: ExposureReport, currency: str) -> Table:
    days = f"Days to sell: at {percent(report.volume_share)} of a coin's median daily volume."
    build = Builder(
        "Your coins, by value",
        (
            Column("Asset", number=False),
            Column("Quantity", drop=5),
            Column("Price", currency, drop=4),
            Column("Value", currency),
            Column("Share", "%"),
            Column("Locked", "%", drop=1),
            Column("Swing of\na year", "%", drop=3),
            Column("Worst 5 %\nday", "%"),
            Column("Mean of\nthose", "%", drop=2),
            Column("Beta when\nBTC falls"),
            Column("+-", drop=6),
            Column("Beta when\nBTC rises"),
            Column("+-", drop=6),
            Column("Days to\nsell"),
        ),
        (LOSS_NOTE, BETA_NOTE, days),
    )
    for asset, value in zip(report.assets, amounts([a.value for a in report.assets]), strict=True):
        build.add(*_asset_cells(build, asset, value))
    for gone in report.unpriced:
        lacking = build.gap(gone.value.reason)
        build.add(clean(gone.asset), price(gone.quantity), lacking, lacking, *("-",) * 10)
    return build.table()


def _asset_cells(build: Builder, asset: AssetExposure, value: str) -> tuple[str | Cell, ...]:
    name = Cell(clean(asset.asset))
    if asset.priced_by != "spot":
        name = build.marked(name.text, f"no spot price; valued by its {asset.priced_by}")
    if asset.is_cash:
        name = build.marked(name.text, "cash: valued at par, not hedged")
    shown = (
        name,
        price(to_float(asset.quantity)),
        price(asset.price),
        value,
        points(asset.weight),
        points(_locked(asset), 0),
    )
    if asset.is_cash:
        return (*shown, *("-",) * 8)
    risk = asset.risk
    return (
        *shown,
        build.maybe(risk.volatility, lambda x: points(x, 0)),
        build.maybe(risk.var_95, points),
        build.maybe(risk.es_95, points),
        *_with_error(build, risk.beta_down),
        *_with_error(build, risk.beta_up),
        build.maybe(asset.days_to_exit, lambda x: fixed(x, 1) if x >= 0.05 else "<0.1"),
    )


def _with_error(build: Builder, value: Maybe) -> tuple[Cell, Cell]:
    return build.maybe(value, _two), build.error(value, _two)


def _two(value: float) -> str:
    return fixed(value, 2)


def _bars(risk: Risk) -> str:
    """What the samples of the measures count: days, hours, or either."""
    bars = {bar_of(v.window) for name, _, _ in _MEASURES if not isinstance(v := getattr(risk, name), Unavailable)}
    return f"{bars.pop().capitalize()}s" if len(bars) == 1 else "Returns"


def _risk_table(risk: Risk) -> Table:
    build = Builder(
        "The portfolio as a whole, at today's weights",
        (
            Column("Measure", number=False),
            Column("Value"),
            Column("+-"),
            Column(_bars(risk), drop=1),
            Column("Sample", number=False, drop=2),
            Column("Definition", number=False, drop=HTML_ONLY),
        ),
        ("+- is the standard error: the true value lies within twice that in 19 of 20 cases.",),
    )
    for name, title, is_share in _MEASURES:
        value: Maybe = getattr(risk, name)
        write: Callable[[float], str] = percent if is_share else _two
        sample = (
            ("", "", "") if isinstance(value, Unavailable) else (f"{value.n:,}", window(value.window), value.method)
        )
        build.add(title, build.maybe(value, write), build.error(value, write), *sample)
    return build.table()
