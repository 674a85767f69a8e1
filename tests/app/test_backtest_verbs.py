"""The verbs ``backtest`` and ``margin`` as a user calls them, on the bundled sample."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from stormsail.adapters.files.plan_file import digest_of
from stormsail.app.api import Workbench, sample_portfolio
from stormsail.app.backtest_verbs import first_moment, named_policy, reserve_of
from stormsail.app.margin_verbs import parse_move, questions_of
from stormsail.audit.tolerance import Tolerance
from stormsail.core import ConfigError, InputError, ToleranceError, parse_moment
from stormsail.margin.types import MarginMode
from stormsail.watch.policy import HOLD, Policy
from tests.app.test_cli import run

SPAN = ("--start", "2025-07-20", "--end", "2025-07-26")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("back test")
    (path / "mine.csv").write_text("asset,quantity\nSOL,40\nADA,9000\nLINK,300\n")
    return path


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    done = run("backtest", "mine.csv", *SPAN, "--replan", "3d", "--out", "ran", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "report.html" in done.stderr
    return done.stdout


def test_a_backtest_prints_what_it_came_to(text: str) -> None:
    for words in ("doing nothing", "naive 1:1", "selling", "The parts add up", "The worst days", "What was done"):
        assert words in text
    assert "funding is unavailable and not in it" in " ".join(text.split())
    assert "by 3 plans, each made with what was known then" in " ".join(text.split())


def test_a_second_run_takes_the_plans_and_gives_the_same_bytes(folder: Path, text: str) -> None:
    files = sorted(path for path in (folder / "ran").rglob("*") if path.is_file())
    before = {path: path.read_bytes() for path in files}
    done = run("backtest", "mine.csv", *SPAN, "--replan", "3d", "--out", "ran", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in files} == before
    assert json.loads(done.stdout) == json.loads((folder / "ran" / "backtest.json").read_text())


def test_the_files_agree_with_each_other(folder: Path, text: str) -> None:
    content = json.loads((folder / "ran" / "backtest.json").read_text())
    assert content["digest"] == digest_of(content)
    series = pl.read_parquet(folder / "ran" / "series.parquet")
    ledger = pl.read_parquet(folder / "ran" / "ledger.parquet")
    hedged = content["outcomes"]["hedged"]
    assert series["hedged"][-1] == pytest.approx(hedged["last"])
    assert series["unhedged"][0] == pytest.approx(hedged["first"])
    parts = {k: Decimal(v) for k, v in content["attribution"].items()}
    assert sum(v for k, v in parts.items() if k != "change") == pytest.approx(parts["change"], abs=Decimal("1e-20"))
    assert hedged["change"] == pytest.approx(float(parts["change"]), abs=1e-6)
    fees = ledger.filter(pl.col("flow") == "fee")["amount"].sum()
    assert Decimal(fees) == pytest.approx(parts["fees"], abs=Decimal("1e-8"))
    plans = sorted(path.name for path in (folder / "ran" / "plans").glob("*.json"))
    assert plans == ["2025-07-20T0000.json", "2025-07-23T0000.json", "2025-07-26T0000.json"]


def test_the_page_asks_nothing_of_the_network(folder: Path, text: str) -> None:
    page = (folder / "ran" / "report.html").read_text(encoding="utf-8")
    head, _, _ = page.partition("<script>")
    assert 'src="http' not in page
    assert "<link" not in head
    assert "Content-Security-Policy" in head
    for words in ("Four ways side by side", "Where the change came from", "Figure unavailable: no funding is known"):
        assert words in page


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--start", "yesterday"), "is not a date"),
        (("--start", "2025-07-20", "--end", "2025-07-10"), "is not after"),
        (("--start", "2025-07-20", "--policy", "carefull"), "did you mean careful?"),
        (("--start", "2025-07-20", "--policy", "none.toml"), "cannot be read"),
        (("--start", "2025-07-20", "--replan", "soon"), "not a span"),
        (("--start", "2025-07-20", "--reserve", "much"), "not a number"),
        (("--start", "2019-01-01"), "begins on 2025-07-01 in this data"),
    ],
)
def test_a_mistake_is_named(folder: Path, args: tuple[str, ...], words: str) -> None:
    done = run("backtest", "mine.csv", *args, cwd=folder)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert words in " ".join(done.stderr.split())


def test_python_gives_what_the_command_line_gives(folder: Path, text: str) -> None:
    from stormsail.adapters.files.portfolio_file import read_portfolio

    bench = Workbench.open(as_of="2025-07-26")
    test = bench.backtest(
        read_portfolio(folder / "mine.csv"), Tolerance(), Policy(replan=timedelta(days=3)),
        start=datetime(2025, 7, 20, tzinfo=UTC),
    )  # fmt: skip
    content = json.loads((folder / "ran" / "backtest.json").read_text())
    assert content["outcomes"]["hedged"]["last"] == pytest.approx(test.paths.hedged[-1])
    assert content["plans"][1]["orders"] == {
        o.contract.id: format(o.quantity, "f") for o in test.plans[1].orders
    }  # fmt: skip


def test_a_day_begins_where_it_begins() -> None:
    assert first_moment("2025-07-20") == datetime(2025, 7, 20, tzinfo=UTC)
    assert first_moment("2025-07-20T06:00") == datetime(2025, 7, 20, 6, tzinfo=UTC)
    assert parse_moment("2025-07-20") == datetime(2025, 7, 21, tzinfo=UTC)


def test_policies_by_name_and_file(tmp_path: Path) -> None:
    assert named_policy("hold") == HOLD
    assert named_policy("band", "30d") == Policy(replan=timedelta(days=30))
    path = tmp_path / "mine.toml"
    path.write_text('schema_version = 1\nreplan = "7d"\n')
    assert named_policy(str(path)).replan == timedelta(days=7)
    assert named_policy(str(path), "30d").replan == timedelta(days=30)
    with pytest.raises(InputError, match="did you mean clock"):
        named_policy("clok")
    with pytest.raises(ConfigError):
        named_policy("band", "30m")


def test_a_reserve_is_an_amount() -> None:
    assert reserve_of(None) is None
    assert reserve_of("5_000") == {"USDT": Decimal(5000)}
    with pytest.raises(ToleranceError):
        reserve_of("5,000")


# --- margin --------------------------------------------------------------------------------------------------------


def asked(*args: str, cwd: Path | None = None) -> dict[str, object]:
    done = run("margin", *args, "--json", cwd=cwd)
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout)  # type: ignore[no-any-return]


ONE = ("--contract", "solusdt", "--quantity", "-100", "--entry", "170", "--mark", "150", "--collateral", "8500")


def test_one_position_by_hand() -> None:
    (account,) = asked(*ONE, "--move", "+50%", "--add", "1000")["accounts"]  # type: ignore[misc]
    position = account["positions"][0]
    # the stand-in table asks 1 % up to 50,000: due at (8,500 + 17,000) / (100 * 1.01)
    assert float(position["liquidation"]) == pytest.approx(252.475, abs=0.01)
    assert float(position["bankruptcy"]) == 255.0
    assert (float(account["equity"]), float(account["requirement"])) == (10500.0, 150.0)
    assert float(account["after_move"]["equity"]) == 3000.0
    assert float(account["after_top_up"]["equity"]) == 11500.0
    assert account["rule"]["basis"] == "mark"
    assert account["rule"]["effective_from"] == "2020-08-14"


@pytest.fixture(scope="module")
def planned(folder: Path) -> dict[str, object]:
    done = run("plan", "mine.csv", "--out", "made", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_the_accounts_of_a_portfolio_and_of_its_plan_file_are_the_same(
    folder: Path, planned: dict[str, list[dict[str, dict[str, str]]]]
) -> None:
    ours, theirs = asked("mine.csv", cwd=folder), asked("made/plan.json", cwd=folder)
    assert ours == theirs
    (account,) = ours["accounts"]  # type: ignore[misc]
    (plan,) = planned["accounts"]
    assert float(account["collateral"]["amount"]) == float(plan["collateral"])  # type: ignore[arg-type]
    assert float(account["liquidation_factor"]["up"]) - 1 == pytest.approx(plan["rise"])
    assert account["promise"]["decided_by"] == plan["requirement"]["decided_by"]


def test_margin_prints_text_that_fits(folder: Path, planned: object) -> None:
    done = run("margin", "made/plan.json", "--move", "-30%", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in ("The rules", "After every coin has moved by -30.0 %", "The promise behind the collateral"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--contract", "SOLUSD", "--quantity", "-1", "--collateral", "5"), "did you mean SOLUSDT?"),
        (("--contract", "SOLUSDT", "--quantity", "-1"), "needs --quantity and --collateral"),
        ((*ONE, "--venue", "okx"), "of okx"),
        ((*ONE[:-1], "-5"), "not above 0"),
        (("--contract", "SOLUSDT", "--quantity", "0", "--collateral", "5"), "quantity 0"),
        (("gone.json",), "gone.json"),
    ],
)
def test_a_mistake_in_margin_is_named(args: tuple[str, ...], words: str) -> None:
    done = run("margin", *args)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert words in " ".join(done.stderr.split())


def test_a_plan_that_was_changed_is_refused(folder: Path, planned: object) -> None:
    path = folder / "made" / "plan.json"
    path.with_name("other.json").write_text(path.read_text().replace('"mode": "cross"', '"mode": "isolated"', 1))
    done = run("margin", "made/other.json", cwd=folder)
    assert done.returncode != 0
    assert "changed after it was written" in " ".join(done.stderr.split())


def test_moves() -> None:
    assert parse_move("+50%") == Decimal("0.5")
    assert parse_move("-0.25") == Decimal("-0.25")
    assert parse_move("150 %") == Decimal("1.5")
    with pytest.raises(InputError, match="leaves no price"):
        parse_move("-100%")
    with pytest.raises(InputError, match="may mean a share"):
        parse_move("50")


def test_isolated_positions_are_accounts_of_their_own(folder: Path) -> None:
    from stormsail.adapters.files.portfolio_file import read_portfolio

    mine = read_portfolio(folder / "mine.csv")
    plan = Workbench.open().plan(mine, Tolerance(), mode=MarginMode.ISOLATED)
    questions = questions_of(plan)
    assert [q.name for q in questions] == [p.contract for m in plan.margins for p in m.positions]
    assert all(len(q.held) == 1 and q.mode is MarginMode.ISOLATED for q in questions)
    assert sum(q.collateral for q in questions) == sum(m.cash for m in plan.margins)


def test_the_sample_portfolio_runs_isolated() -> None:
    test = Workbench.open().backtest(sample_portfolio(), Tolerance(), start="2025-07-27", mode=MarginMode.ISOLATED)
    assert test.summary.plans == 1
    assert test.course.step == timedelta(hours=1)
    assert len(test.summary.accounts) == len(test.plans[0].orders)
