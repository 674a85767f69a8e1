"""Storm files: those of the package are sound, and wrong ones are refused by file and key."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from stormsail.adapters.files.storm_files import find_storm, load_storms, parse_storm, read_storm, storm_directory
from stormsail.core import ConfigError, InputError
from stormsail.lab.scenario import Ground, check_names

HEAD = 'schema_version = 1\nname = "mine"\ntitle = "Mine"\n'
FALL = "[moves]\nBTC = -0.4\nalts = -0.5\n[[path]]\nhour = 10\nshare = 1.0\n"

PAST = {
    "covid-2020", "china-2021", "squeeze-wick-2021", "luna-2022", "celsius-2022", "merge-2022", "ftx-2022", "usdc-2023",
    "yen-carry-2024", "bybit-hack-2025", "jelly-2025", "tariff-2025",
}  # fmt: skip


def test_every_file_of_the_package_loads_and_says_where_its_figures_come_from() -> None:
    storms = load_storms()
    assert {name for name, storm in storms.items() if storm.historical} == PAST
    assert len(storms) - len(PAST) >= 11
    for storm in storms.values():
        assert storm.title and storm.about and storm.grounds and storm.keyframes[0].moves == {}
        assert storm.keyframes[-1].hour == storm.hours
        if storm.window is not None:
            assert storm.window[1] - storm.window[0] == timedelta(hours=storm.hours)
        else:
            assert {each.kind for each in storm.grounds} == {Ground.ASSUMED}


def test_past_storms_come_first_by_date() -> None:
    found = list(load_storms().values())
    dated = [storm.window[0] for storm in found if storm.window]
    assert dated == sorted(dated)
    assert all(storm.historical for storm in found[: len(dated)])


def test_a_share_of_the_moves_is_taken_and_the_last_holds_to_the_end() -> None:
    storm = parse_storm(HEAD + "hours = 20\n" + FALL + "[[path]]\nhour = 15\nshare = 0.5\n")
    assert [frame.hour for frame in storm.keyframes] == [0, 10, 15, 20]
    assert storm.keyframes[2].moves == {"BTC": -0.2, "alts": -0.25}
    assert storm.keyframes[3].moves == storm.keyframes[2].moves


@pytest.mark.parametrize(
    ("text", "cause", "cure"),
    [
        ("title = 3", "no schema_version", "schema_version = 1"),
        (HEAD.replace("= 1", "= 9"), "9 is not known", "schema_version = 1"),
        (HEAD + "hour = 3", "unknown key hour", "did you mean hours?"),
        (HEAD + FALL + "[[wick]]\nhour = 2\nmove = 0.1\nasset = ['BTC']", "unknown key wick.0.asset", "assets"),
        (HEAD + FALL.replace("-0.5", "-1.0"), "moves.alts: a move of -1", "more than -1"),
        (HEAD + FALL + "[[path]]\nhour = 12\nmoves = {SOL = -1.5}", "path.1.moves.SOL: a move of -1.5", "more than -1"),
        (HEAD + FALL + "[[path]]\nhour = 12\nshare = 2.5", "path.1.share", "more than -1"),
        (HEAD + FALL.replace("alts", "sol"), "moves.sol: 'sol' is not a coin", "SOL"),
        (HEAD + FALL + "[[path]]\nhour = 9\nshare = 0.5", "path.1.hour: 9 does not rise", "rising"),
        (HEAD + FALL + "[[path]]\nhour = 12", "path.1: needs one of share and moves", "share of [moves]"),
        (HEAD + "hours = 5\n[moves]\nBTC = -0.4", "moves: no path says when", "[[path]]"),
        (HEAD, "hours: the storm has no length", "hours"),
        (HEAD + FALL + "[[oracle]]\nstart = 4\nend = 4\noff = 0.1", "oracle.0.end: 4 is not after 4", "later"),
        (HEAD + FALL + "[[oracle]]\nstart = 4\nend = 5", "oracle.0: needs one of off and silent", "how the mark"),
        (HEAD + FALL + "[[shock]]\nwhat = 'gone'\nhour = 3", "shock.0.what is 'gone'", "venue gone"),
        (HEAD + FALL + "[[shock]]\nwhat = 'venue gone'\nhour = 30", "shock.hour: 30 lies beyond the 10", "hours"),
        (HEAD + FALL + "[[peg]]\ncurrency = 'USDT'\nhours = [0, 3]\nprices = [1.0]", "peg.0: 2 hours and 1", "each"),
        (HEAD + FALL + "[[peg]]\ncurrency = 'USDT'\nhours = [0]\nprices = [-1.0]", "peg.0.prices.0 is -1.0", "greater"),
        (HEAD + FALL + "[[funding]]\nend = 8\nrate = {BTC = -7.5}", "funding.0.rate.BTC: -7.5", "-0.0075"),
        (HEAD + FALL + "[[source]]\nof = ['move']\nkind = 'assumed'\ntext = 'x'", "no section 'move'", "moves"),
        (HEAD + 'window = ["2020-03-12", "2020-03-10"]\n' + FALL, "window: it ends before", "first moment first"),
        (HEAD + 'window = ["2020-03-12T00:00Z", "2020-03-13T00:00Z"]\n' + FALL, "moves: no source says", "[[source]]"),
        (HEAD + "moves = ", "not TOML", "correct that line"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_file_and_key(text: str, cause: str, cure: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_storm(text, where="my.toml")
    assert cause in caught.value.cause
    assert cure in caught.value.cure
    assert caught.value.where == "my.toml"


def test_a_storm_is_found_by_name_or_file(tmp_path: Path) -> None:
    assert find_storm("ftx-2022").hours == 120
    with pytest.raises(ConfigError, match="did you mean ftx-2022"):
        find_storm("ftx-2002")
    file = tmp_path / "mine.toml"
    file.write_text(HEAD + FALL, encoding="utf-8")
    assert find_storm(str(file)) == read_storm(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_storm(tmp_path / "none.toml")
    assert load_storms(tmp_path).keys() == {"mine"}
    (tmp_path / "other.toml").write_text(HEAD + FALL, encoding="utf-8")
    with pytest.raises(ConfigError, match="name the file after the storm"):
        load_storms(tmp_path)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    coins, venues = ("SOL", "ADA"), ("binance", "bybit")
    with pytest.raises(InputError, match=r"my.toml, moves.SOLL: unknown asset 'SOLL'. Cure: did you mean SOL\?"):
        check_names(parse_storm(HEAD + FALL.replace("alts", "SOLL"), where="my.toml"), coins, venues)
    shock = "[[shock]]\nwhat = 'venue gone'\nhour = 3\nvenue = 'binanse'\n"
    with pytest.raises(InputError, match=r"shock.venue: unknown venue 'binanse'. Cure: did you mean binance\?"):
        check_names(parse_storm(HEAD + FALL + shock), coins, venues)
    peg = "[[peg]]\ncurrency = 'USDX'\nhours = [0]\nprices = [1.0]\n"
    with pytest.raises(InputError, match="unknown stablecoin 'USDX'"):
        check_names(parse_storm(HEAD + FALL + peg), coins, venues)
    check_names(parse_storm(HEAD + FALL + shock.replace("binanse", "largest")), coins, venues)


def test_files_name_no_place_of_their_author() -> None:
    for file in storm_directory().glob("*.toml"):
        assert "/work" not in file.read_text(encoding="utf-8")


@pytest.mark.realdata
def test_computed_moves_equal_the_recorded_bars(real_data: Path) -> None:
    spot = pl.read_parquet(real_data / "spot_1h_binance.parquet")
    perpetual = pl.read_parquet(real_data / "perp_4h_binance.parquet")
    checked = 0
    for storm in load_storms().values():
        if storm.window is None or storm.name == "tariff-2025":
            continue
        start, end = storm.window
        found = {}
        for frame in (spot, perpetual):
            rows = frame.filter((pl.col("ts") >= start) & (pl.col("ts") < end)).sort("ts")
            for symbol, part in rows.group_by("symbol"):
                name = str(symbol[0]).removesuffix("USDT").removesuffix("/")
                lows = part.sort("ts")
                first = lows["open"][0]
                found.setdefault(name, []).append((lows["low"].min() / first - 1, lows["high"].max() / first - 1))
        deepest = {a: min((f.moves[a] for f in storm.keyframes if a in f.moves), default=0.0) for a in storm.assets}
        highest = {a: max((f.moves[a] for f in storm.keyframes if a in f.moves), default=0.0) for a in storm.assets}
        for asset in {"BTC", "ETH", "BNB", "XRP", "ADA", "LTC", "SOL"} & found.keys() & storm.assets.keys():
            if storm.name in ("squeeze-wick-2021", "usdc-2023"):
                gap = min(abs(highest[asset] - high) for _, high in found[asset])
            else:
                gap = min(abs(deepest[asset] - low) for low, _ in found[asset])
            assert gap < 0.012, (storm.name, asset, found[asset])
            checked += 1
    assert checked >= 35
