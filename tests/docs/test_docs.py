"""The documentation says what the program does: commands parse, snippets run, tables are whole, copies are fresh."""

import dataclasses
import doctest
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from stormsail.adapters.files.plan_file import plan_schema
from stormsail.adapters.files.portfolio_file import read_portfolio
from stormsail.adapters.files.venue_files import load_venues
from stormsail.adapters.sources._layouts import LAYOUTS
from stormsail.app.cli import app
from stormsail.app.config import Config
from stormsail.audit import Tolerance
from stormsail.instruments.diligence import PARTS
from stormsail.instruments.venues import FACTS
from stormsail.instruments.venues import RULES as VENUE_RULES
from stormsail.margin.floor import FLOOR_HOURS, MEASURED
from stormsail.margin.paid import paid_before
from stormsail.margin.rules import RULES
from stormsail.market.schema import Kind, columns
from stormsail.plan.problem import RISK_AVERSION, Limit
from stormsail.ratio import ESTIMATORS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NAMES = [str(p.relative_to(DOCS)) for p in PAGES]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in FENCE.findall(page.read_text(encoding="utf-8")) if name == language]


def commands(page: Path) -> list[str]:
    """Every command of ours on a page: in consoles, in shell scripts, between backticks (without arguments)."""
    lines = [line for kind in ("console", "bash") for text in blocks(page, kind) for line in text.splitlines()]
    prose = re.findall(r"`(stormsail [^`\n]+)`", FENCE.sub("", page.read_text(encoding="utf-8")))
    found = [m.group(1) for line in lines if (m := re.search(r"(?:^|[\s/])(stormsail [^|>;&]+)", line))]
    return [c for c in [*found, *prose] if "<" not in c and "..." not in c]


def parse(command: str) -> None:
    """Follow a command down to its verb and let that parse the options, without running anything."""
    words = shlex.split(command, comments=True)[1:]
    verb, name = get_command(app), "stormsail"
    while hasattr(verb, "commands"):
        if not words or words[0].startswith("-"):
            known = {o for p in verb.get_params(verb.context_class(verb)) for o in (*p.opts, *p.secondary_opts)}
            assert set(words) <= known | {"-h", "--help"}, f"{command}: not an option of {name}"
            return
        assert words[0] in verb.commands, f"{command}: no verb {words[0]!r}"
        name = words[0]
        verb, words = verb.commands[name], words[1:]
    required = [p for p in verb.params if p.param_type_name == "argument" and p.required]
    verb.make_context(name, words or ["x" for _ in required])


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_parses(page: Path) -> None:
    for command in commands(page):
        parse(command)


def test_a_wrong_command_would_be_found() -> None:
    assert len([c for page in PAGES for c in commands(page)]) > 50
    for wrong in (
        "stormsail plant x.csv",
        "stormsail data delete",
        "stormsail plan x.csv --speed 3",
        "stormsail --fly",
    ):
        with pytest.raises(Exception):  # noqa: B017  # typer's own copy of click has no public name for its errors
            parse(wrong)


WITH_CODE = [p for p in PAGES if blocks(p, "pycon")]


@pytest.mark.parametrize("page", WITH_CODE, ids=[p.stem for p in WITH_CODE])
def test_what_a_page_computes_is_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "\n".join(blocks(page, "pycon"))
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    told: list[str] = []
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=told.append).failed == 0, "".join(told)


WITH_SCRIPT = [p for p in PAGES if blocks(p, "python")]


@pytest.mark.parametrize("page", WITH_SCRIPT, ids=[p.stem for p in WITH_SCRIPT])
def test_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page, in one namespace, in a folder that holds the venue record the page shows, if any."""
    monkeypatch.chdir(tmp_path)
    if page.stem == "add-a-venue":
        (tmp_path / "my-venues").mkdir()
        (tmp_path / "my-venues" / "example.toml").write_text(blocks(page, "toml")[0])
    space: dict[str, object] = {}
    for text in blocks(page, "python"):
        exec(compile(text, str(page), "exec"), space)


def test_the_notebook_runs_and_is_kept_without_output() -> None:
    import asyncio
    import warnings

    if sys.platform == "win32":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tools around notebooks warn of their own future, not of ours
        import nbformat
        from nbclient import NotebookClient

        book = nbformat.read(DOCS / "notebooks" / "first_plan.ipynb", as_version=4)
        code = [cell for cell in book.cells if cell.cell_type == "code"]
        assert code and not any(cell.outputs or cell.execution_count for cell in code)
        NotebookClient(book, timeout=120, kernel_name="python3").execute()
    assert all(cell.execution_count for cell in code)
    assert any("short" in str(cell.outputs) for cell in code)


def test_the_portfolios_shown_can_be_read(tmp_path: Path) -> None:
    page = DOCS / "how-to" / "portfolio.md"
    shown = {"toml": blocks(page, "toml"), "json": blocks(page, "json"), "csv": blocks(page, "text")}
    assert all(shown.values())
    for suffix, texts in shown.items():
        for text in texts:
            file = tmp_path / f"mine.{suffix}"
            file.write_text(text)
            assert read_portfolio(file).assets


def rows(page: str, pattern: str = r"^\| `([^`]+)`") -> set[str]:
    return set(re.findall(pattern, (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE))


def test_the_command_line_page_is_whole() -> None:
    script = _script()
    text = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert text == script.reference(), "run scripts/refresh_docs.py"
    verbs = dict(script.commands())
    assert {"plan", "audit", "choose", "size", "venues", "demo", "init", "doctor", "data list", "data fetch"} <= set(
        verbs
    )
    for name, verb in verbs.items():
        part = text.split(f"\n## stormsail {name}\n")[1].split("\n## ")[0]
        for param in verb.params:
            if not getattr(param, "hidden", False) and param.param_type_name == "option" and param.name != "help":
                assert all(f"{o}" in part for o in (*param.opts, *param.secondary_opts)), f"{name} {param.name}"


def test_the_configuration_page_names_every_key() -> None:
    keys = {name for name in Config.model_fields if name not in {"data", "tolerance"}}
    for section in ("data", "tolerance"):
        model = Config.model_fields[section].annotation
        keys |= {f"{section}.{name}" for name in model.model_fields}
    assert keys <= rows("reference/configuration.md")
    assert {f.name for f in dataclasses.fields(Tolerance)} == rows("how-to/tolerance.md")


def test_the_plan_file_page_names_every_section() -> None:
    assert set(plan_schema()["properties"]) <= rows("reference/plan-file.md")


def test_the_data_page_names_every_kind_and_column() -> None:
    text = (DOCS / "reference" / "data-schema.md").read_text(encoding="utf-8")
    for kind in Kind:
        assert f"`{kind.value}`" in text
        assert all(f"| `{column}` |" in text for column in columns(kind))
    assert {layout.file for layout in LAYOUTS} <= rows("how-to/market-data.md")


def test_the_venue_pages_follow_the_code() -> None:
    shown = rows("how-to/add-a-venue.md")
    assert set(FACTS) | set(VENUE_RULES) == shown
    text = (DOCS / "concepts" / "venues.md").read_text(encoding="utf-8")
    assert all(f"| {part.name} | {part.points:g} | {', '.join(part.facts)} |" in text for part in PARTS)
    assert set(load_venues()) >= {"binance"}


def test_figures_in_the_concepts_are_those_of_the_code() -> None:
    margin = (DOCS / "concepts" / "margin.md").read_text(encoding="utf-8")
    for rule in RULES:
        fee = "yes" if rule.counts_fee else "no"
        assert f"| {rule.venue} | {rule.effective_from} | {rule.basis.value} price | {fee} | {rule.source} |" in margin
    collateral = (DOCS / "concepts" / "collateral.md").read_text(encoding="utf-8")
    for kind, measured in MEASURED.items():
        cells = " | ".join(f"{100 * a:.3g} / {100 * b:.3g} %" for a, b in measured)
        assert f"| {kind.value} | {cells} |" in collateral
    for name, base in (("BTC, ETH", "BTC"), ("other coins", "SOL")):
        cells = " | ".join(f"{100 * paid_before(base, hours):.3g} %" for hours in FLOOR_HOURS)
        assert f"| {name} | {cells} |" in collateral
    plan = (DOCS / "concepts" / "plan.md").read_text(encoding="utf-8")
    assert f"| `lam` | {RISK_AVERSION:g}: " in plan
    assert all(f"| {limit.value} |" in plan for limit in Limit)
    ratios = (DOCS / "concepts" / "hedge-ratios.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in ratios for name in ESTIMATORS)


def test_the_storm_page_has_a_row_for_every_storm() -> None:
    from stormsail.lab.storms import STORMS

    text = (DOCS / "concepts" / "storms.md").read_text(encoding="utf-8")
    crashes = [storm for storm in STORMS.values() if storm.eve != storm.until]
    assert all(f"| {storm.eve} to {storm.until} | {len(storm.coins)} |" in text for storm in crashes)


def test_every_module_of_a_room_is_in_the_python_reference() -> None:
    script = _script()
    layers = {p.parent.name for p in (ROOT / "src" / "stormsail").glob("*/__init__.py")}
    assert set(script.ROOMS) == layers - {"app", "adapters", "report"}
    for room in script.ROOMS:
        page = DOCS / "reference" / "python" / f"{room}.md"
        assert page.read_text(encoding="utf-8") == script.room_page(room), "run scripts/refresh_docs.py"


def test_nothing_is_asked_of_the_network_by_a_page() -> None:
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in settings
    assert not re.search(r"extra_(javascript|css)|arithmatex|https?://", settings)


def test_copied_output_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/refresh_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run scripts/refresh_docs.py\n{done.stdout}{done.stderr}"


def _script():  # type: ignore[no-untyped-def]  # a module loaded from a file has no better type
    spec = importlib.util.spec_from_file_location("refresh_docs", ROOT / "scripts" / "refresh_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
