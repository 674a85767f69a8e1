"""The verb ``stormsail stress`` end to end on the bundled sample."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stormsail.adapters.sources.sample import sample_path
from stormsail.app.cli import app
from stormsail.core import ConfigError, InputError, PlanFileError

RUNNER = CliRunner()
PORTFOLIO = str(sample_path() / "portfolio.csv")
MINE = """schema_version = 1
name = "mine"
title = "Mine"
[moves]
BTC = -0.3
alts = -0.4
[[path]]
hour = 12
share = 1.0
"""


def run(*arguments: str) -> str:
    result = RUNNER.invoke(app, ["stress", *arguments], env={"COLUMNS": "120"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_the_list_needs_no_portfolio() -> None:
    assert "ftx-2022" in run("--list")
    assert {row["name"] for row in json.loads(run("--list", "--json"))} > {"ftx-2022", "venue-gone"}


def test_a_storm_of_ones_own_over_a_portfolio(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE, encoding="utf-8")
    text = run(PORTFOLIO, "--storm", str(file), "--reserve", "20000", "--out", str(tmp_path / "out"))
    assert "Storms over" in text
    assert "mine" in text
    figures = json.loads((tmp_path / "out" / "stress.json").read_text(encoding="utf-8"))
    assert figures["kind"] == "stormsail stress"
    assert figures["storms"][0]["name"] == "mine"
    assert re.search("<title>Storms:", (tmp_path / "out" / "report.html").read_text(encoding="utf-8"))


def test_a_plan_file_gives_what_its_portfolio_gives(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["plan", PORTFOLIO, "--coverage", "40%", "--out", str(tmp_path)])
    assert result.exit_code == 0
    storm = ("--storm", "venue-gone", "--json")
    of_plan = json.loads(run(str(tmp_path / "plan.json"), *storm))
    of_portfolio = json.loads(run(PORTFOLIO, "--coverage", "40%", *storm))
    assert of_plan["storms"] == of_portfolio["storms"]
    assert of_plan["storms"][0]["failure"]["what"] == "venue gone"
    assert of_plan["covered"] == 0.4
    changed = (tmp_path / "plan.json").read_text(encoding="utf-8").replace('"0.4"', '"0.5"').replace("0.4,", "0.5,")
    (tmp_path / "changed.json").write_text(changed, encoding="utf-8")
    with pytest.raises(PlanFileError, match="changed after it was written"):
        run(str(tmp_path / "changed.json"), *storm)


def test_what_is_unknown_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean ftx-2022"):
        run(PORTFOLIO, "--storm", "ftx-2002")
    file = tmp_path / "mine.toml"
    file.write_text(MINE.replace("BTC", "SOLL"), encoding="utf-8")
    with pytest.raises(InputError, match=r"mine.toml, moves.SOLL: unknown asset 'SOLL'. Cure: did you mean SOL\?"):
        run(PORTFOLIO, "--storm", str(file))
    file.write_text(MINE.replace("-0.4", "-1.4"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine.toml: moves.alts: a move of -1.4"):
        run(PORTFOLIO, "--storm", str(file))
