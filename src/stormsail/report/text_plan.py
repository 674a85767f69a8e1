"""The plan, told in the order a person thinks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console

from stormsail.audit.tolerance import Tolerance
from stormsail.audit.types import Unpriced
from stormsail.core import Tenor, Unavailable, plus, times
from stormsail.plan.types import Coverage, HedgePlan, Order
from stormsail.report.format import (
    amount,
    amount_rows,
    amounts,
    clean,
    count,
    listing,
    moment,
    money,
    percent,
    price,
    quantity,
    sentence,
    span,
    variance,
)
from stormsail.report.page import TOP, say, show_section
from stormsail.report.tables import Builder, Column, Section, Table
from stormsail.report.text_audit import audit_section, unpriced_words
from stormsail.report.text_choose import choose_section, effectiveness_words
from stormsail.report.text_cost import cost_section, flow, without
from stormsail.report.text_findings import findings_section
from stormsail.report.text_margin import coins_words, collateral_section, failures_section, per_unit, posted_coins
from stormsail.report.text_size import advice_table, contests_section, size_lead
from stormsail.report.text_venues import venues_section


def print_plan(console: Console, plan: HedgePlan, *, top: int = TOP) -> None:
    """Print a whole plan, chapter by chapter.

    Args:
        console: Where to print; its width and encoding are respected.
        plan: The plan; any part of it may be unavailable.
        top: Rows shown of a long table.
    """
    say(console, f"Hedge plan for {plan.portfolio.name}", style="bold")
    say(console, dated(plan), style="dim")
    console.print()
    for number, section in enumerate(plan_sections(plan), 1):
        show_section(console, section, number=number, top=top)


def dated(plan: HedgePlan) -> str:
    """Moment of the decision, end of the data and its name, in a line."""
    return f"As of {moment(plan.as_of)}; data up to {moment(plan.data_end)} from {clean(plan.source)}."


def plan_sections(plan: HedgePlan) -> tuple[Section, ...]:
    """All chapters in order; text and HTML show the same ones."""
    currency = plan.portfolio.currency
    return (
        Section("brief", "In short", brief(plan)),
        audit_section(plan.exposure, currency),
        choose_section(plan.shortlist, plan.tolerance.horizon, currency),
        _size_section(plan),
        orders_section(plan),
        collateral_section(plan),
        failures_section(plan.failures, currency),
        cost_section(plan),
        coverage_section(plan.coverage, plan.binding, currency, plan.exposure.unpriced),
        venues_section(plan.venues, used=list(dict.fromkeys(margin.venue for margin in plan.margins))),
        findings_section(plan.findings),
    )


def totals(plan: HedgePlan) -> tuple[Decimal, Decimal, float]:
    """Notional short, cash posted, and value protected, in the portfolio's currency."""
    short = plus(order.notional for order in plan.orders)
    collateral = plus(margin.cash for margin in plan.margins)
    return short, collateral, sum(c.direct + c.proxy for c in plan.coverage)


def asked_value(plan: HedgePlan) -> float:
    """Value of coins that was to be protected, reached or not: the base of the plan's effectiveness."""
    return sum(c.wanted for c in plan.coverage)


def brief(plan: HedgePlan) -> tuple[str, ...]:
    """The plan in a few sentences."""
    currency = plan.portfolio.currency
    short, collateral, protected = totals(plan)
    asked = asked_for(plan.tolerance, currency) + left_out(plan)
    if plan.exposure.risky_value <= 0:
        whole = "what has a price is" if plan.exposure.unpriced else "all you hold is"
        return asked, f"There is nothing to hedge: {whole} stablecoins and cash."
    if not plan.orders:
        why = f" What held it back: {listing(plan.binding)}." if plan.binding else ""
        return asked, f"Nothing is to be shorted: no hedge within your limits is better than none.{why}"
    risky = plan.exposure.risky_value
    share = f" ({percent(protected / risky, 0)} of the coins' value)" if risky > 0 else ""
    venues = listing(list(dict.fromkeys(order.contract.venue for order in plan.orders)))
    did = (
        f"Short {money(short, currency)} in {count(len(plan.orders), 'contract')} at {venues}, which protects "
        f"{money(protected, currency)}{share}.{lent(plan)} {_removed(plan)}"
    )
    needs = (
        f"It needs {_means(plan, collateral)}, and over {span(plan.tolerance.horizon)} it is expected "
        f"to {flow(plan.cost.total, currency)}{without(plan.cost.left_out)}. Nothing has been sent to any venue."
    )
    return asked, did, needs


def lent(plan: HedgePlan) -> str:
    """Why more is protected than is short, in a sentence; empty where it is not."""
    short, _, protected = totals(plan)
    if amount(protected) == amount(short) or protected <= short:
        return ""
    return (
        " That is more than is short, because substitutes protect by beta: a coin that moves half as much as the "
        "substitute needs half its value short."
    )


def _means(plan: HedgePlan, cash: Decimal) -> str:
    """What must be posted: cash, coins, or both."""
    currency = plan.portfolio.currency
    if not posted_coins(plan.margins):
        return f"{money(cash, currency)} of collateral"
    own = f"{coins_words(plan.margins, currency)} of your own coins as collateral"
    return f"{money(cash, currency)} of cash and {own}" if cash else f"no cash, but {own}"


def left_out(plan: HedgePlan) -> str:
    """Coins that are held and could not be valued, said before anything else; empty if there are none."""
    missing = plan.exposure.unpriced
    if not missing:
        return ""
    verb = "has" if len(missing) == 1 else "have"
    coins = f"{count(len(missing), 'coin')} you hold {verb}"
    named = listing([f"{gone.asset} ({gone.value.reason})" for gone in missing])
    return f" {coins} no usable price in this data and no part in this plan: {named}."


def _removed(plan: HedgePlan) -> str:
    if isinstance(plan.effectiveness, Unavailable):
        return f"How well it would have done out of sample is {plan.effectiveness}."
    words, whole = effectiveness_words(plan.effectiveness), money(asked_value(plan), plan.portfolio.currency)
    return (
        f"Judged out of sample on all of the {whole} you asked to protect, such a hedge removed {words} of the "
        f"{variance(plan.effectiveness.window)}."
    )


def asked_for(tolerance: Tolerance, currency: str) -> str:
    """The risk tolerance in a sentence."""
    text = (
        f"You asked to protect {percent(tolerance.coverage, 0)} of your coins for {span(tolerance.horizon)}, to live "
        f"through a fall of your coins by {percent(tolerance.survive, 0)} and a rise of the shorts by as much, and to "
        f"run a chance of liquidation of at most {percent(tolerance.liquidation_chance)} in 30 days when topping up "
        f"takes {span(tolerance.top_up)}"
    )
    limits = [
        f"{words} {money(value, currency)}"
        for words, value in (
            ("collateral of at most", tolerance.collateral),
            ("a value of at least", tolerance.floor),
            ("an expected cost of at most", tolerance.budget),
        )
        if value is not None
    ]
    if tolerance.venues:
        limits.append(f"only {listing(tolerance.venues)}")
    return f"{text}; with {listing(limits)}." if limits else f"{text}."


def _size_section(plan: HedgePlan) -> Section:
    section = contests_section(plan.contests, size_lead(plan))
    tenor = plan.advice.tenor.value
    reason = plan.advice.reason
    if reason.lower().startswith(f"{tenor}: "):
        reason = reason[len(tenor) + 2 :]
    advice = f"{advice_lead(plan)} {sentence(reason)}"
    return Section(section.key, section.title, (*section.lead, advice), (*section.tables, advice_table(plan.advice)))


def advice_lead(plan: HedgePlan) -> str:
    """Perpetual or dated, for what is really ordered: not every coin has a dated contract."""
    best = plan.advice.tenor
    if not plan.orders:
        return f"Nothing is ordered; {best.value} contracts would be the better choice."
    fixed = sorted({o.contract.base for o in plan.orders if o.contract.tenor is Tenor.DATED})
    if all(o.contract.tenor is Tenor.DATED for o in plan.orders):
        return "Use dated contracts."
    if fixed:
        return f"Use dated contracts for the {listing(fixed)} part; perpetuals for the rest."
    if best is Tenor.DATED:
        return "Use perpetuals: no coin that is shorted has a dated contract, which would be the better choice."
    return "Use perpetual contracts."


def orders_section(plan: HedgePlan) -> Section:
    """The chapter on orders."""
    if not plan.orders:
        return Section("orders", "The orders", ("There is nothing to order.",))
    currency = plan.portfolio.currency
    fees = plus(order.fee for order in plan.orders)
    lead = (
        f"{count(len(plan.orders), 'order')} to sell, in all {money(totals(plan)[0], currency)}; opening them costs "
        f"{money(fees, currency)} in fees. They are a proposal: nothing has been sent.",
    )
    return Section("orders", "The orders", lead, (_orders(plan.orders, currency),))


def _orders(orders: Sequence[Order], currency: str) -> Table:
    build = Builder(
        "Sell short",
        (
            Column("Contract", number=False),
            Column("Quantity", "contracts"),
            Column("Price"),
            Column("Value", currency),
            Column("Fee", currency, drop=1),
            Column("Slippage", currency, drop=2),
            Column("Kind", number=False, drop=4),
            Column("Ends", number=False, drop=3),
        ),
        _order_notes(orders),
    )
    values = amounts([order.notional for order in orders])
    fees = amounts([order.fee for order in orders])
    slips = amounts([Decimal("NaN") if isinstance(o.slippage, Unavailable) else o.slippage for o in orders])
    for order, value, fee, slipped in zip(orders, values, fees, slips, strict=True):
        slip = build.gap(order.slippage.reason) if isinstance(order.slippage, Unavailable) else slipped
        ends = f"{order.contract.expiry:%Y-%m-%d}" if order.contract.expiry else "never"
        own = order.protects == (order.contract.base,)
        protected = ["the portfolio as a whole" if name == "portfolio" else name for name in order.protects]
        note = "" if own else f"protects {listing(protected)}"
        build.add(
            order.contract.id,
            quantity(order.quantity),
            price(times(order.price, Decimal(order.contract.coins_quoted))),
            value,
            fee,
            slip,
            order.route.value,
            ends,
            note=note,
        )
    return build.table()


def _order_notes(orders: Sequence[Order]) -> tuple[str, ...]:
    notes = ("Quantity is in the venue's own unit. Price is the last one known.", *per_unit(orders))
    assumed = [o.contract.id for o in orders if o.contract.origin.startswith("assumed")]
    if not assumed:
        return notes
    whose = "every contract here" if len(assumed) == len(orders) else listing(assumed)
    return *notes, (
        f"Lot, tick and smallest order of {whose} are assumed by a default rule, because this data holds no metadata "
        "of the venue: round to the venue's own before you send anything."
    )


def missed(row: Coverage) -> float:
    """What was to be protected and is not: ``wanted - direct - proxy``, never below 0."""
    return max(0.0, row.wanted - row.direct - row.proxy)


def coverage_section(
    coverage: Sequence[Coverage], binding: Sequence[str], currency: str, unpriced: Sequence[Unpriced] = ()
) -> Section:
    """The chapter on what is left uncovered, coins without a price included, and the limits that held the plan back."""
    title = "What is left uncovered"
    if not coverage and not unpriced:
        return Section("coverage", title, ("There was nothing to protect.", *_bound(binding)))
    value, direct = sum(c.value for c in coverage), sum(c.direct for c in coverage)
    proxy, left, short = sum(c.proxy for c in coverage), sum(c.uncovered for c in coverage), sum(map(missed, coverage))
    wanted = sum(c.wanted for c in coverage)
    text = (
        f"Of {money(value, currency)}, {money(direct, currency)} is protected by contracts on the coins themselves and "
        f"{money(proxy, currency)} by substitutes; {money(left, currency)} stays uncovered. "
    )
    chosen = max(0.0, value - wanted)
    text += f"{money(chosen, currency)} was left open by your own choice of coverage; "
    text += f"{money(short, currency)} was wanted and not reached."
    if unpriced:
        verb = "stays" if len(unpriced) == 1 else "stay"
        text += f" {unpriced_words(unpriced)}, whose value is unavailable, {verb} uncovered as well."
    return Section("coverage", title, (text, *_bound(binding)), (_coverage(coverage, unpriced, currency),))


def _bound(binding: Sequence[str]) -> tuple[str, ...]:
    if not binding:
        return ("No limit held the plan back.",)
    return (f"{count(len(binding), 'limit')} held the plan back: {'; '.join(map(clean, binding))}.",)


def _coverage(coverage: Sequence[Coverage], unpriced: Sequence[Unpriced], currency: str) -> Table:
    build = Builder(
        "By coin",
        (
            Column("Asset", number=False),
            Column("Value", currency),
            Column("Wanted", currency),
            Column("By its own\ncontract", currency),
            Column("By a\nsubstitute", currency),
            Column("Wanted, not\nreached", currency, drop=1),
            Column("Uncovered", currency),
        ),
    )
    texts = amount_rows([(c.value, c.wanted, c.direct, c.proxy, missed(c), c.uncovered) for c in coverage])
    for row, cells in zip(coverage, texts, strict=True):
        build.add(row.asset, *cells, note=sentence(row.reason))
    for gone in unpriced:
        lacking = build.gap(gone.value.reason)
        build.add(gone.asset, lacking, lacking, "none", "none", lacking, lacking)
    return build.table()
