import json
import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal

import pytest

from stormsail.app.api import Workbench, sample_portfolio
from stormsail.core import Holding, Portfolio, UnknownSymbolError
from stormsail.market.schema import PRICE_KINDS

ENV = {k: v for k, v in os.environ.items() if not k.startswith("STORMSAIL")} | {"COLUMNS": "80", "NO_COLOR": "1"}


def run(*args, cwd=None, env=ENV):
    return subprocess.run(
        [sys.executable, "-m", "stormsail", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder with a space in its name, holding a small portfolio."""
    path = tmp_path_factory.mktemp("my coins")
    (path / "mine.csv").write_text("asset,quantity\nSOL,40\nADA,9000\nLINK,300\n")
    return path


@pytest.fixture(scope="module")
def planned(folder):
    done = run("plan", "mine.csv", "--coverage", "60%", "--out", "made", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_help_lists_the_verbs_and_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "stormsail", "--help"],
        capture_output=True,
        text=True,
        env=ENV,
        check=True,
    )
    for verb in ("plan", "audit", "choose", "size", "venues", "data", "demo", "init", "doctor"):
        assert f"\n  {verb} " in done.stdout
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not imported & {
        "numpy",
        "scipy",
        "numba",
        "polars",
        "clarabel",
        "pydantic",
        "plotly",
        "jinja2",
        "ccxt",
        "rich",
    }


def test_verbs_that_do_not_work_yet_are_not_listed():
    assert not {"apply", "watch", "roll", "serve"} & set(run("--help").stdout.split())


def test_plan_writes_a_file_and_a_report_and_prints_json(folder, planned):
    assert planned["schema_version"] == 2
    on_disk = json.loads((folder / "made" / "plan.json").read_text())
    assert on_disk == planned
    assert planned["digest"] in (folder / "made" / "report.html").read_text()


def test_two_runs_on_the_same_input_are_the_same_bytes(folder, planned):
    again = run("plan", "mine.csv", "--coverage", "60%", "--out", "again", cwd=folder)
    assert again.returncode == 0, again.stderr
    for name in ("plan.json", "report.html"):
        assert (folder / "made" / name).read_bytes() == (folder / "again" / name).read_bytes()


@pytest.mark.parametrize("verb", ["audit", "choose", "size", "plan"])
def test_every_verb_on_the_path_prints_text_that_fits_the_terminal(folder, verb):
    done = run(verb, "mine.csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "SOL" in done.stdout or verb == "size"
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("verb", ["audit", "choose", "size"])
def test_every_verb_on_the_path_prints_json(folder, verb):
    done = run(verb, "mine.csv", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_fifty_thousand_with_beta_one_and_a_half_is_seventy_five_thousand_short():
    done = run("size", "--value", "50000", "--beta", "1.5", "--json")
    content = json.loads(done.stdout)
    assert content["short_notional"] == "75000.0"
    assert content["fall_of_10_percent_at_ratio_1"]["hedge"] == "5000.0"


@pytest.mark.parametrize(
    ("args", "code", "exit_code", "words"),
    [
        (("plan", "nowhere.csv"), "E110", 2, "nowhere.csv"),
        (("plan",), "E100", 2, "portfolio"),
        (("plan", "mine.csv", "--coverage", "150%"), "E120", 2, "coverage"),
        (("plan", "mine.csv", "--horizon", "soon"), "E120", 2, "30d"),
        (("plan", "mine.csv", "--as-of", "yesterday"), "E100", 2, "2024-08-03"),
        (("plan", "mine.csv", "--data", "nowhere"), "E140", 2, "nowhere"),
        (("plan", "mine.csv", "--venues", "binanse"), "E120", 2, "binance"),
        (("venues", "binanse"), "E100", 2, "binance"),
        (("data", "list", "--kind", "spots"), "E100", 2, "spot"),
        (("size", "--value", "50000"), "E100", 2, "--beta"),
        (("size", "--value", "-1", "--beta", "1.5"), "E100", 2, "above 0"),
        (("size", "--value", "1e400", "--beta", "1.5"), "E100", 2, "out of range"),
        (("data", "list", "--asset", "SOLL"), "E100", 2, "SOL"),
        (("plan", "mine.csv", "--out", "mine.csv"), "E100", 2, "folder"),
        (("init", "made", "--force", "--set", "tolerance.coverage=200%"), "E120", 2, "coverage"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_its_cure(folder, args, code, exit_code, words):
    done = run(*args, cwd=folder)
    assert done.returncode == exit_code
    assert code in done.stderr and words in done.stderr and "What to do" in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout
    as_json = json.loads(run(*args, "--json", cwd=folder).stdout)
    assert as_json["error"]["code"] == code


def test_a_wrong_option_is_json_too_where_json_was_asked_for():
    done = run("plan", "--bogus", "--json")
    assert done.returncode == 2 and "--bogus" in json.loads(done.stdout)["error"]["cause"]
    assert run("plan", "--bogus").returncode == 2


def test_an_unknown_coin_is_named_with_the_nearest_known_one(folder):
    (folder / "slip.csv").write_text("asset,quantity\nSOLL,4\n")
    done = run("audit", "slip.csv", cwd=folder)
    assert done.returncode == 2 and "SOLL" in done.stderr and "SOL" in done.stderr


def test_init_writes_what_plan_reads(tmp_path):
    assert run("init", "new", "--set", "tolerance.coverage=70%", cwd=tmp_path).returncode == 0
    assert run("init", "new", cwd=tmp_path).returncode == 2  # nothing is overwritten unasked
    done = run("plan", "--json", cwd=tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["inputs"]["tolerance"]["coverage"] == 0.7


def test_the_environment_wins_over_the_file_and_an_option_over_both(folder):
    (folder / "c.toml").write_text('[tolerance]\ncoverage = "40%"\n')
    env = ENV | {"STORMSAIL__TOLERANCE__COVERAGE": "45%"}
    by_env = run("plan", "mine.csv", "--config", "c.toml", "--json", cwd=folder, env=env)
    assert json.loads(by_env.stdout)["inputs"]["tolerance"]["coverage"] == 0.45
    by_option = run("plan", "mine.csv", "--config", "c.toml", "--coverage", "0.5", "--json", cwd=folder, env=env)
    assert json.loads(by_option.stdout)["inputs"]["tolerance"]["coverage"] == 0.5


def test_doctor_finds_a_wrong_key_and_says_which_was_meant(tmp_path):
    sound = run("doctor", "--json", cwd=tmp_path)
    assert sound.returncode == 0 and json.loads(sound.stdout)["sound"]
    (tmp_path / "stormsail.toml").write_text('[tolerance]\ncoverige = "40%"\n')
    cures = [check["cure"] for check in json.loads(sound.stdout)["checks"]]
    ill = run("doctor", cwd=tmp_path)
    for cure in filter(None, cures):
        assert cure.split()[-1] in ill.stdout  # brackets of extras are not taken for markup
    assert ill.returncode == 1 and "coverage" in ill.stdout


def test_venues_in_short_and_in_full():
    short = json.loads(run("venues", "--json").stdout)
    keys = {"binance", "bybit", "bingx", "weex", "mexc", "okx", "deribit", "hyperliquid", "dydx"}
    assert keys <= set(short["venues"])
    full = run("venues", "bybit")
    assert full.returncode == 0 and "2025-02-21" in full.stdout
    before = json.loads(run("venues", "bybit", "--as-of", "2025-02-20", "--json").stdout)["scores"][0]
    after = json.loads(run("venues", "bybit", "--as-of", "2025-02-22", "--json").stdout)["scores"][0]
    assert after["cap"] < before["cap"]  # what happened later is not held against it earlier


def test_data_list_and_verify_on_the_sample():
    listed = json.loads(run("data", "list", "--asset", "btc", "--json").stdout)
    assert {s["asset"] for s in listed["series"]} == {"BTC"}
    assert run("data", "verify", "--json").returncode == 0


def test_demo_names_its_report(tmp_path):
    done = run("demo", "--out", tmp_path / "d", "--no-open")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "d" / "report.html").stat().st_size > 100_000
    assert "report.html" in done.stderr


def test_python_gives_what_the_command_line_gives(planned, folder):
    from stormsail.adapters.files.plan_file import plan_to_dict
    from stormsail.adapters.files.portfolio_file import read_portfolio
    from stormsail.audit.tolerance import Tolerance

    made = Workbench.open().plan(read_portfolio(folder / "mine.csv"), Tolerance(coverage=0.6))
    assert plan_to_dict(made)["orders"] == planned["orders"]
    assert len(sample_portfolio().assets) == 12


def test_a_coin_that_begins_later_is_named_with_its_day() -> None:
    bench = Workbench.open()
    first = {}
    for info in bench.source.catalogue():
        if info.key.kind in PRICE_KINDS:
            first[info.asset] = min(first.get(info.asset, info.start), info.start)
    coin, start = max(first.items(), key=lambda item: item[1])
    early = Workbench(bench.source, start - timedelta(hours=1), bench.venues)
    with pytest.raises(UnknownSymbolError, match=f"{coin} .it begins on {start:%Y-%m-%d} in this data"):
        early.audit(Portfolio((Holding(coin, Decimal(1)),)))
