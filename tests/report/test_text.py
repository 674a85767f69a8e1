"""The plan on a terminal: all of it, in order, at any width, in any character set."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from rich.cells import cell_len
from rich.console import Console

from stormsail.adapters.files.plan_file import render_plan
from stormsail.audit.types import Unpriced
from stormsail.core import Finding, Trouble, Unavailable
from stormsail.margin.types import Liquidation, MarginMode
from stormsail.plan.types import HedgePlan
from stormsail.ratio.types import Effectiveness
from stormsail.report.format import clean
from stormsail.report.html import key_figures
from stormsail.report.page import show_table
from stormsail.report.tables import Builder, Column
from stormsail.report.text import print_audit, print_contests, print_findings, print_plan, print_shortlist, print_venues
from stormsail.report.text_margin import CROSS_NOTE, allowed_chance, collateral_section
from stormsail.report.text_plan import brief, missed, orders_section, plan_sections, totals
from tests.report.fake import bare_plan, big_plan, fake_plan, records, scores

TITLES = (
    "In short",
    "What you hold and what it could lose",
    "What could hedge it",
    "How much to short",
    "The orders",
    "The collateral it needs",
    "What it still fails against",
    "What it costs or earns",
    "What is left uncovered",
    "The venues, and how far to trust them",
    "What was noticed",
)


def shown(show: Callable[[Console], None], *, width: int = 80, encoding: str = "utf-8", color: bool = False) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    show(Console(file=file, width=width, no_color=not color, force_terminal=color))
    return raw.getvalue().decode(encoding)


def told(plan: HedgePlan, *, width: int = 80, encoding: str = "utf-8", color: bool = False) -> str:
    return shown(lambda console: print_plan(console, plan), width=width, encoding=encoding, color=color)


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("make", [fake_plan, bare_plan])
def test_every_chapter_appears_in_order(make: Callable[[], HedgePlan]) -> None:
    text = told(make())
    places = [text.index(f"\n{number}. {title}\n") for number, title in enumerate(TITLES, 1)]
    assert places == sorted(places)


def test_it_opens_with_what_is_held_and_what_it_could_lose() -> None:
    text = flat(told(fake_plan()))
    assert "You hold 103,200 USD in 11 coins and cash (1,000 USD in stablecoins); 1,200 USD of it is locked" in text
    assert "In the worst 5 % of days the coins lose 7.3 % (7,493 USD) or more, on average 10.4 % (10,664 USD)" in text
    assert "removed 93.1 % (95 % interval 90 to 95 %)" in text
    assert "at ratio 1 (short as much as you protect) removed 91.2 %" in text
    assert "liquidated if all its shorts rise together by 38.5 %" in text
    assert "No rise of prices can liquidate it." in text
    assert "if funding turns as bad as in its worst 5 %, it will cost 1,502 USD" in text
    assert "All you hold, what is left open included, would have had 95.0 % less variance" in text
    assert "450.00 USD was wanted and not reached" in text


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("make", [fake_plan, bare_plan, big_plan])
def test_no_line_is_wider_than_the_console(make: Callable[[], HedgePlan], width: int) -> None:
    wide = [line for line in told(make(), width=width).splitlines() if cell_len(line) > width]
    assert not wide if width >= 80 else len(wide) < 80  # below 80 columns a number may stick out, but is never cut


@pytest.mark.parametrize("width", [30, 80, 160])
def test_no_number_is_cut(width: int) -> None:
    plan = fake_plan()
    text = told(plan, width=width)
    for section in plan_sections(plan):
        for table in (t for t in section.tables if t.terminal):
            for row in table.rows[:12]:
                for column, cell in zip(table.columns, row.cells, strict=True):
                    if column.number and not column.drop:
                        assert re.search(rf"(^|\s){re.escape(cell.text)}(\s|\[|$)", text, re.MULTILINE), cell.text


def test_columns_of_numbers_are_aligned_to_the_right() -> None:
    lines = told(fake_plan()).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Part  "))
    numbers = lines[start + 2 : start + 7]
    assert all(re.search(r"[+-]?[\d,.]+$", line) for line in numbers)
    assert len({len(line) for line in numbers}) == 1


def test_it_can_be_written_where_only_ascii_is_known() -> None:
    text = told(fake_plan(), encoding="ascii")
    assert "S?hne" in text and "????" in text


def test_names_are_taken_literally() -> None:
    text = told(fake_plan(), color=True)
    assert "[bold]" in text
    assert "\x1b[31m" not in text
    assert clean(fake_plan().portfolio.name) in text


def test_without_colour_there_is_no_escape_sequence() -> None:
    assert "\x1b" not in told(fake_plan())


def test_reasons_of_gaps_are_told() -> None:
    text = flat(told(fake_plan()))
    for reason in (
        "no order book and no volume",
        "no dated contract on these coins",
        "no history before 2024-07-20",
        "history too short; borrowed from layer 1",
        "cannot be liquidated (backed by the coin itself)",
    ):
        assert reason in text
    bare = flat(told(bare_plan()))
    assert "What it could lose on a day is unavailable: no prices." in bare
    assert "Nothing is to be shorted" in bare
    assert "nan" not in bare.lower().split()


def test_a_note_is_only_told_where_its_mark_is_shown() -> None:
    for line in (text := told(fake_plan())).splitlines():
        if found := re.match(r"\s+(\[\d+\]) ", line):
            assert text.count(found[1]) > 1


def test_a_large_plan_is_cut_short_and_says_so() -> None:
    text = told(big_plan())
    assert text.count("and 188 more") >= 4
    assert "COIN000, COIN001" in text and "COIN150" in text  # alike findings are told together, by name
    assert len(text.splitlines()) < 500


def test_the_risk_removed_names_the_value_it_was_judged_on() -> None:
    plan = fake_plan()
    wanted, protected = sum(c.wanted for c in plan.coverage), sum(c.direct + c.proxy for c in plan.coverage)
    text = flat(shown(lambda c: print_plan(c, plan)))
    assert round(wanted) != round(protected)
    assert f"on all of the {wanted:,.0f} USD you asked to protect, such a hedge removed 93.1 %" in text


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ("2025-07-11..2025-08-01 1h", "removed 93.1 % (95 % interval 90 to 95 %) of the hour-to-hour variance"),
        ("2025-07-11..2025-08-01 4h", "removed 93.1 % (95 % interval 90 to 95 %) of the variance;"),
    ],
)
def test_samples_are_called_what_they_are(window: str, words: str) -> None:
    plan = fake_plan()
    assert isinstance(plan.effectiveness, Effectiveness)
    contest = plan.contests[0]
    rows = tuple(replace(r, effectiveness=replace(r.effectiveness, n=503, window=window)) for r in contest.rows)
    plan = replace(
        plan,
        effectiveness=replace(plan.effectiveness, window=window, n=503),
        contests=(replace(contest, rows=rows), *plan.contests[1:]),
    )
    text = flat(shown(lambda c: print_plan(c, plan)))
    sizes = {
        "1h": "503 hours, 2025-07-11 to 2025-08-01, hourly",
        "4h": "503 returns, 2025-07-11 to 2025-08-01, every 4",
    }
    assert words in text
    assert f"only on returns it had not seen ({sizes[window[-2:]]}" in text and f"Sample: {sizes[window[-2:]]}" in text


def test_the_same_plan_reads_the_same_twice() -> None:
    assert told(fake_plan()) == told(fake_plan())


def test_what_was_missed_is_what_was_wanted_and_not_reached() -> None:
    by_asset = {row.asset: missed(row) for row in fake_plan().coverage}
    assert by_asset["SOL"] == pytest.approx(40.0)
    assert by_asset["币安人生"] == pytest.approx(50.0)


def test_the_common_rise_stands_before_that_of_each_short_alone() -> None:
    plan = fake_plan()
    table = next(t for t in collateral_section(plan).tables if t.caption.startswith("By short"))
    names = [row.cells[0].text for row in table.rows]
    pooled = [m for m in plan.margins if m.mode is MarginMode.CROSS and len(m.positions) > 1]
    assert pooled and CROSS_NOTE in table.footers
    for margin in pooled:
        at = names.index(f"{margin.venue}, together")
        assert table.rows[at].cells[1].text == f"{margin.collateral:,.0f}"
        assert names[at + 1 : at + 1 + len(margin.positions)] == [p.contract for p in margin.positions]
        assert f"{margin.rise:.1%}".rstrip("%") in [cell.text for cell in table.rows[at].cells]
    apart = replace(plan, margins=tuple(replace(m, mode=MarginMode.ISOLATED) for m in plan.margins))
    table = next(t for t in collateral_section(apart).tables if t.caption.startswith("By short"))
    assert CROSS_NOTE not in table.footers and not any("together" in row.cells[0].text for row in table.rows)


def test_the_chance_allowed_before_a_top_up_is_its_share_of_thirty_days() -> None:
    assert allowed_chance(fake_plan().tolerance) == pytest.approx(0.01 / 30)


def test_findings_come_gravest_first_and_once() -> None:
    note, naked = Finding(Trouble.NOTE, "a", "b", "c"), Finding(Trouble.NAKED, "z", "spot is unhedged", "sell or short")
    text = shown(lambda console: print_findings(console, [note, naked, note]))
    assert text.index("naked") < text.index("note") and text.count("-> c") == 1
    assert "2 things noticed" in text
    assert "Nothing was noticed." in shown(lambda console: print_findings(console, []))


def test_findings_alike_in_all_but_their_subject_are_told_together() -> None:
    found = [Finding(Trouble.DEGRADED, f"{coin} volume", "no spot volume", "the perpetual's") for coin in ("B", "A")]
    text = flat(shown(lambda console: print_findings(console, found)))
    assert "A volume, B volume no spot volume" in text and text.count("-> the perpetual's") == 1


def test_a_coin_without_a_price_is_named_at_the_start() -> None:
    plan = fake_plan()
    assert "no usable price" not in told(plan)
    reason = "no price yet at 2024-08-04 00:00; first bar 2024-09-01 00:00"
    gone = Unpriced("SOL", Decimal("1234.5"), Unavailable(reason))
    rest = tuple(row for row in plan.coverage if row.asset != "SOL")
    lost = replace(plan, coverage=rest, exposure=replace(plan.exposure, unpriced=(gone,)))
    text = flat(told(lost, width=200))
    assert f"1 coin you hold has no usable price in this data and no part in this plan: SOL ({reason})." in text
    assert "besides, 1,234.5 SOL, whose value is unavailable and in no figure here" in text
    assert "1,234.5 SOL, whose value is unavailable, stays uncovered as well." in text
    more = replace(gone, asset="ADA")
    two = replace(lost, exposure=replace(plan.exposure, unpriced=(gone, more)))
    assert "1,234.5 ADA, whose value is unavailable, stay uncovered as well." in flat(told(two, width=200))
    section = next(s for s in plan_sections(lost) if s.key == "coverage")
    last = section.tables[0].rows[-1]
    assert [cell.text for cell in last.cells] == ["SOL", "n/a", "n/a", "none", "none", "n/a", "n/a"]
    assert reason in dict(section.tables[0].notes).values()


def test_a_hedge_that_is_not_perfect_is_nowhere_said_to_remove_all() -> None:
    plan = fake_plan()
    assert isinstance(plan.effectiveness, Effectiveness)
    near = replace(plan.effectiveness, value=0.99971, low=0.99951, high=0.99984)
    best = replace(plan.shortlist.portfolio[0], effectiveness=near, risk_removed=0.9999)
    made = replace(plan, effectiveness=near, shortlist=replace(plan.shortlist, portfolio=(best,)))
    text = flat(told(made, width=200))
    assert text.count("99.97 % (95 % interval 99.95 to 99.98 %)") == 3
    assert "99.97 99.95 to 99.98 99.99" in text
    assert ("Risk removed", "99.97 %") in [figure[:2] for figure in key_figures(made)]
    assert any("99.95 to 99.98 %" in figure[2] for figure in key_figures(made))
    assert json.loads(render_plan(made))["ratios"]["effectiveness"]["value"] == 0.99971


def test_more_protected_than_short_is_explained_and_only_then() -> None:
    plan = fake_plan()
    said = "That is more than is short, because substitutes protect by beta"
    short, _, protected = totals(plan)
    for factor, there in ((0.99, False), (1.0, False), (1.2, True)):
        scale = factor * float(short) / protected
        rows = tuple(replace(c, direct=c.direct * scale, proxy=c.proxy * scale) for c in plan.coverage)
        made = replace(plan, coverage=rows)
        assert (said in brief(made)[1]) is there
        assert ("by beta" in next(f[2] for f in key_figures(made) if f[0] == "Protected")) is there


def test_nothing_but_cash_and_a_coin_without_a_price_is_not_called_all_cash() -> None:
    plan = bare_plan()
    gone = Unpriced("SOL", Decimal(3), Unavailable("every series of SOL ended before 2024-08-04 00:00"))
    cash = replace(plan, exposure=replace(plan.exposure, risky_value=0.0, unpriced=(gone,)))
    assert brief(cash)[1] == "There is nothing to hedge: what has a price is stablecoins and cash."
    section = next(s for s in plan_sections(cash) if s.key == "coverage")
    assert section.tables[0].rows[-1].cells[0].text == "SOL"


def test_parts_can_be_printed_alone() -> None:
    plan = fake_plan()
    assert "The contest" in shown(lambda console: print_contests(console, plan.contests))
    assert "for the whole portfolio" in shown(lambda console: print_shortlist(console, plan.shortlist)).lower()
    audit = shown(lambda console: print_audit(console, plan.exposure))
    assert audit.startswith("As of 2024-08-04 00:00 UTC") and "What was noticed" in audit


def test_venues_are_told_with_source_and_date() -> None:
    text = flat(shown(lambda console: print_venues(console, records(), scores())))
    assert text.index("Binance active") < text.index("okx 71") < text.index("weex 31")
    assert "Nothing may lie at weex." in text
    assert "2024-06-01" in text and "self-reported" in text and "1,000,000,000" in text
    assert "unknown" in text and "not published" in text
    assert "20 points: oracle design unknown" in text


def test_a_row_must_fit_its_table() -> None:
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        Builder("t", (Column("a"), Column("b"))).add("x")


def test_words_under_several_rows_are_told_once() -> None:
    build = Builder("", (Column("Coin", number=False), Column("Share")))
    for coin, note in (("A", "same"), ("B", "other"), ("C", "same")):
        build.add(coin, build.gap("no price"), note=note)
    table = build.table()
    assert [row.cells[0].mark for row in table.rows] == ["[2]", "", "[2]"]
    assert [row.note for row in table.rows] == ["", "other", ""]
    assert table.notes == (("[1]", "no price"), ("[2]", "same"))


def test_notes_shown_are_numbered_without_gaps() -> None:
    build = Builder("", (Column("Coin", number=False), Column("Wide", drop=1), Column("Share")))
    build.add("A" * 30, build.marked("1" * 40, "left out with its column"), build.gap("no price"))
    text = shown(lambda console: show_table(console, build.table()))
    assert "[1] no price" in text and "left out" not in text


def test_hours_are_called_hours_and_losses_are_shares_of_the_coins() -> None:
    exposure = fake_plan().exposure
    hourly = replace(exposure.risk.var_95, window="2025-07-01..2025-08-01 1h", n=743)
    text = flat(shown(lambda c: print_audit(c, replace(exposure, risk=replace(exposure.risk, var_95=hourly)))))
    assert "counted over 743 hours (2025-07-01 to 2025-08-01, hourly)" in text
    assert exposure.risky_value < exposure.value
    assert f"({exposure.risky_value * hourly.value:,.0f} USD)" in text


def test_prices_are_shown_as_the_venue_quotes_them() -> None:
    plan = fake_plan()
    order = next(o for o in plan.orders if o.contract.base == "PEPE")
    text = flat(told(plan, width=200))
    assert text.count("Prices are as the venue quotes them: binance:1000PEPEUSDT for 1,000 PEPE.") == 2
    row = next(r for r in orders_section(plan).tables[0].rows if r.cells[0].text == order.contract.id)
    assert Decimal(row.cells[2].text) == order.price * 1000
    lines = next(t for t in collateral_section(plan).tables if t.caption.startswith("By short")).rows
    cells = next([c.text for c in r.cells] for r in lines if r.cells[0].text == order.contract.id)
    assert cells[4] == row.cells[2].text
    position = next(p for m in plan.margins for p in m.positions if p.contract == order.contract.id)
    if isinstance(position.liquidation, Liquidation):
        assert Decimal(cells[5]) == position.liquidation.price * 1000


def test_an_assumed_lot_is_said_beside_the_orders() -> None:
    plan = fake_plan()
    first = plan.orders[0]
    assert "assumed by a default rule" not in flat(told(with_origins(plan, "venue metadata")))
    assert "smallest order of every contract here are assumed" in flat(told(with_origins(plan, "assumed: lot")))
    guessed = replace(first, contract=replace(first.contract, origin="assumed: lot"))
    mixed = replace(with_origins(plan, "venue metadata"), orders=(guessed, *with_origins(plan, "").orders[1:]))
    assert f"smallest order of {first.contract.id} are assumed" in flat(told(mixed))


def with_origins(plan: HedgePlan, origin: str) -> HedgePlan:
    return replace(plan, orders=tuple(replace(o, contract=replace(o.contract, origin=origin)) for o in plan.orders))


def test_one_way_to_fail_one_short_and_nothing_shorted_are_said_so() -> None:
    plan = fake_plan()
    assert "Listed is 1 way in which" in flat(told(replace(plan, failures=plan.failures[:1])))
    empty = replace(plan, orders=())
    assert "Nothing is shorted, so nothing is paid or earned." in flat(told(empty))
    margin = next(m for m in plan.margins if m.coins is None)
    alone = replace(margin, mode=MarginMode.ISOLATED, positions=margin.positions[:1])
    said = flat(told(replace(plan, margins=(alone,)), width=200))
    assert f"It is liquidated if {alone.positions[0].contract} rises by" in said and "the others" not in said
    assert f", at {alone.venue}." in said
