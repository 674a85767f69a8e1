from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from stormsail.adapters.cex import VENUES, fetch
from stormsail.adapters.cex._frames import moment
from stormsail.adapters.store.parquet import ParquetStore
from stormsail.core import ConfigError, Finding, InputError, MissingExtraError, Trouble, VenueError
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey, columns
from tests.adapters.cex.venue_server import DATED, DATED_BYBIT, HOUR, NOW, Venue, hours, price, serve, settlements

pytest.importorskip("ccxt")

MOMENT = moment(NOW)
START = MOMENT - timedelta(days=60)
KLINES = {"binance": "/fapi/v1/klines", "bybit": "/v5/market/kline"}
Frames = dict[SeriesKey, pl.DataFrame]


@pytest.fixture(scope="module")
def running() -> Iterator[Venue]:
    with serve() as venue:
        yield venue


@pytest.fixture
def server(running: Venue) -> Venue:
    running.asked.clear()
    running.faults.clear()
    running.kline_cap, running.repeat, running.contradict = 1000, False, False
    return running


class Run:
    """One fetch and what came of it."""

    def __init__(self, server: Venue, name: str, coins: Collection[str], kinds: Collection[Kind], **given: object):
        self.infos: dict[SeriesKey, SeriesInfo] = {}
        self.frames: Frames = {}
        self.pauses: list[float] = []
        self.progress: list[tuple[int, int]] = []
        options = {"start": START, "end": MOMENT, **given}
        self.findings: tuple[Finding, ...] = fetch(
            name,
            coins,
            kinds,
            write=self.take,
            base_url=server.url,
            progress=lambda done, total: self.progress.append((done, total)),
            now=lambda: MOMENT,
            sleep=self.pauses.append,
            **options,  # type: ignore[arg-type]  # only moments are given
        )

    def take(self, info: SeriesInfo, frame: pl.DataFrame) -> None:
        assert dict(frame.schema) == columns(info.key.kind)
        assert (info.start, info.end, info.rows) == (frame["known_at"].min(), frame["known_at"].max(), frame.height)
        assert info.key not in self.frames
        self.infos[info.key], self.frames[info.key] = info, frame

    def frame(self, kind: Kind, symbol: str) -> pl.DataFrame:
        (found,) = (frame for key, frame in self.frames.items() if (key.kind, key.symbol) == (kind, symbol))
        return found


def truth(symbol: str, start: datetime = START) -> pl.DataFrame:
    """Finished bars of the server, as the schema has them."""
    rows = []
    first = int((start.timestamp() * 1000 - HOUR) // HOUR * HOUR)
    for opened in hours(symbol, first, NOW):
        o, h, low, c, v = price(symbol, opened)
        known = moment(opened + HOUR)
        if start <= known <= MOMENT:
            rows.append((known, o, h, low, c, v * c))
    return pl.DataFrame(rows, schema=columns(Kind.PERPETUAL), orient="row")


@pytest.mark.parametrize("venue", ["binance", "bybit"])
def test_bars_are_whole_finished_and_known_at_their_close(server: Venue, venue: str) -> None:
    run = Run(server, venue, ["SOL", "PEPE", "ADA"], [Kind.PERPETUAL])
    for symbol in ("SOLUSDT", "1000PEPEUSDT", "ADAUSDT"):
        frame = run.frame(Kind.PERPETUAL, symbol)
        assert frame.equals(truth(symbol))
        assert frame["known_at"][-1] == moment(NOW // HOUR * HOUR)
    assert run.frame(Kind.PERPETUAL, "ADAUSDT").height == 1440 - 10
    info = run.infos[SeriesKey(Kind.PERPETUAL, venue, "1000PEPEUSDT")]
    assert (info.asset, info.multiplier, info.quote, info.bar) == ("PEPE", 1000, "USDT", timedelta(hours=1))
    assert run.progress == [(1, 3), (2, 3), (3, 3)]
    assert not run.pauses


@pytest.mark.parametrize(("cap", "repeat"), [(1000, False), (333, False), (7, False), (500, True)])
def test_paging_goes_on_from_what_came_back(server: Venue, cap: int, repeat: bool) -> None:
    server.kline_cap, server.repeat = cap, repeat
    run = Run(server, "binance", ["ADA"], [Kind.PERPETUAL])
    assert run.frame(Kind.PERPETUAL, "ADAUSDT").equals(truth("ADAUSDT"))


def test_empty_pages_before_a_listing_are_passed_over(server: Venue) -> None:
    run = Run(server, "bybit", ["SUI"], [Kind.PERPETUAL])
    assert run.frame(Kind.PERPETUAL, "SUIUSDT").equals(truth("SUIUSDT"))
    (note,) = run.findings
    assert note.trouble is Trouble.NOTE
    assert "begins at 2024-12-27 21:00" in note.cause


@pytest.mark.parametrize("venue", ["binance", "bybit"])
def test_funding_has_its_true_interval_before_and_after_a_change_of_rule(server: Venue, venue: str) -> None:
    start = MOMENT - timedelta(days=200)
    run = Run(server, venue, ["SOL"], [Kind.FUNDING], start=start)
    frame = run.frame(Kind.FUNDING, "SOLUSDT")
    wanted = settlements("SOLUSDT", round(start.timestamp() * 1000), NOW)
    assert frame["known_at"].to_list() == [moment(at - 4) for at, _ in wanted]
    assert frame["rate_per_interval"].to_list() == [float(rate) for _, rate in wanted]
    change = moment(NOW // HOUR * HOUR) - timedelta(days=10)
    expected = [8.0 if at <= change else 4.0 for at in frame["known_at"].to_list()]
    assert frame["interval_hours"].to_list() == expected
    assert frame.height > 600


def test_mark_prices_have_no_volume(server: Venue) -> None:
    for venue in ("binance", "bybit"):
        frame = Run(server, venue, ["SOL"], [Kind.MARK]).frame(Kind.MARK, "SOLUSDT")
        assert frame.drop("quote_volume").equals(truth("SOLUSDT").drop("quote_volume"))
        assert frame["quote_volume"].is_null().all()
    assert server.count("/fapi/v1/markPriceKlines") and server.count("/v5/market/mark-price-kline")


def test_dated_contracts_carry_their_expiry(server: Venue) -> None:
    for venue, symbol in (("binance", DATED), ("bybit", DATED_BYBIT)):
        run = Run(server, venue, ["BTC"], [Kind.DATED, Kind.PERPETUAL])
        assert run.infos[SeriesKey(Kind.DATED, venue, symbol)].expiry == datetime(2025, 3, 28, 8, tzinfo=UTC)
        assert run.infos[SeriesKey(Kind.PERPETUAL, venue, "BTCUSDT")].expiry is None
        assert run.frame(Kind.DATED, symbol).equals(truth(symbol))


def test_inverse_contracts_come_when_asked_for(server: Venue) -> None:
    run = Run(server, "bybit", ["BTC"], [Kind.INVERSE, Kind.FUNDING, Kind.BOOK, Kind.CONTRACTS])
    assert run.frame(Kind.INVERSE, "BTCUSD").equals(truth("BTCUSD"))
    assert run.infos[SeriesKey(Kind.FUNDING, "bybit", "BTCUSD")].quote == "USD"
    book = run.frame(Kind.BOOK, "BTCUSD")
    assert book.filter(side="ask")["quantity"].to_list() == [1 / 100.5, 4 / 101]
    row = run.frame(Kind.CONTRACTS, "BTCUSD").row(0, named=True)
    assert (row["payoff"], row["size"], row["lot"], row["min_notional"]) == ("inverse", "1", "1", "1")
    without = Run(server, "bybit", ["BTC"], [Kind.FUNDING])
    assert [key.symbol for key in without.frames] == ["BTCUSDT"]


def test_spot_is_named_by_its_coin(server: Venue) -> None:
    for venue in ("binance", "bybit"):
        run = Run(server, venue, ["SOL", "ADA"], [Kind.SPOT])
        assert list(run.frames) == [SeriesKey(Kind.SPOT, venue, "SOL")]
        assert run.frame(Kind.SPOT, "SOL").equals(truth("SOLUSDT"))
        assert [str(f) for f in run.findings] == [
            f"unavailable  spot {venue}: the venue lists no such market of ADA; nothing is put in its place"
        ]


def test_contract_metadata_is_exact(server: Venue) -> None:
    run = Run(server, "binance", ["PEPE", "BTC"], [Kind.CONTRACTS])
    row = run.frame(Kind.CONTRACTS, "1000PEPEUSDT").row(0, named=True)
    assert (row["base"], row["size"], row["lot"], row["tick"]) == ("PEPE", "1000", "0.001", "0.0000001")
    assert (row["min_notional"], row["maker_fee"], row["taker_fee"]) == ("5", "0.0002", "0.0005")
    assert (row["tenor"], row["payoff"], row["expiry"], row["known_at"]) == ("perpetual", "linear", None, MOMENT)
    dated = run.frame(Kind.CONTRACTS, DATED).row(0, named=True)
    assert (dated["tenor"], dated["expiry"]) == ("dated", datetime(2025, 3, 28, 8, tzinfo=UTC))


def test_books_are_snapshots_of_now(server: Venue) -> None:
    for venue in ("binance", "bybit"):
        book = Run(server, venue, ["SOL"], [Kind.BOOK]).frame(Kind.BOOK, "SOLUSDT")
        assert book["known_at"].unique().to_list() == [MOMENT]
        assert book.filter(side="bid").select("level", "price", "quantity").rows() == [(0, 99.5, 2.0), (1, 99.0, 3.0)]


def test_tiers_are_read_where_they_are_public(server: Venue) -> None:
    tiers = Run(server, "bybit", ["SOL"], [Kind.TIERS]).frame(Kind.TIERS, "SOLUSDT")
    assert tiers.drop("known_at").rows() == [
        (1, 0.0, 200_000.0, 0.01, 50.0, 0.0),
        (2, 200_000.0, 400_000.0, 0.02, 25.0, 2000.0),
    ]
    run = Run(server, "binance", ["SOL"], [Kind.TIERS])
    assert run.frames == {}
    assert "only to holders of a key" in run.findings[0].cause
    assert not server.count("/fapi/v1/leverageBracket")


@pytest.mark.parametrize("venue", ["binance", "bybit"])
def test_rate_limits_and_server_errors_are_waited_out(server: Venue, venue: str) -> None:
    server.fail(KLINES[venue], 429, body='{"code":-1003,"msg":"Too many requests."}', headers={"Retry-After": "7"})
    server.fail(KLINES[venue], 503, 502, body="<html>bad gateway</html>")
    run = Run(server, venue, ["SOL"], [Kind.PERPETUAL])
    assert run.frame(Kind.PERPETUAL, "SOLUSDT").equals(truth("SOLUSDT"))
    assert run.pauses == [7.0, 2.0, 4.0]


@pytest.mark.parametrize("venue", ["binance", "bybit"])
@pytest.mark.parametrize("body", ["<html>maintenance</html>", '{"list": [', "", "null", "[[1,2"])
def test_an_answer_that_cannot_be_read_is_tried_again(server: Venue, venue: str, body: str) -> None:
    server.faults[KLINES[venue]].append(body)
    run = Run(server, venue, ["SOL"], [Kind.PERPETUAL])
    assert run.frame(Kind.PERPETUAL, "SOLUSDT").equals(truth("SOLUSDT"))


@pytest.mark.parametrize("venue", ["binance", "bybit"])
def test_lasting_trouble_ends_in_plain_words_and_keeps_what_was_written(
    server: Venue, venue: str, tmp_path: Path
) -> None:
    store = ParquetStore(tmp_path)
    funding = "/fapi/v1/fundingRate" if venue == "binance" else "/v5/market/funding/history"

    def write(info: SeriesInfo, frame: pl.DataFrame) -> None:
        store.write(info, frame)
        server.fail(KLINES[venue], *[500] * 9)

    with pytest.raises(VenueError, match=rf"E500 {venue}: bars of SOLUSDT: .*\(5 tries\)\. Cure: try again later"):
        fetch(
            venue,
            ["SOL"],
            [Kind.FUNDING, Kind.PERPETUAL],
            START,
            MOMENT,
            write,
            server.url,
            now=lambda: MOMENT,
            sleep=lambda _: None,
        )
    assert [info.key.kind for info in store.catalogue()] == [Kind.FUNDING]
    assert server.count(funding) > 0


def test_a_refusal_is_not_tried_again(server: Venue) -> None:
    server.fail(KLINES["binance"], 400, body='{"code":-1121,"msg":"Invalid symbol."}')
    with pytest.raises(VenueError, match="Invalid symbol"):
        Run(server, "binance", ["SOL"], [Kind.PERPETUAL])
    assert server.count(KLINES["binance"]) == 1


def test_a_venue_that_contradicts_itself_is_not_trusted(server: Venue) -> None:
    server.contradict = True
    with pytest.raises(VenueError, match="two answers for one moment differ"):
        Run(server, "binance", ["SOL"], [Kind.PERPETUAL])


def test_an_impossible_bar_is_not_trusted(server: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.adapters.cex.venue_server.price", lambda *_: (1.0, 2.0, 1.5, 0.0, 1.0))
    with pytest.raises(VenueError, match="a bar that cannot be"):
        Run(server, "binance", ["SOL"], [Kind.PERPETUAL])


def test_a_password_in_an_address_is_not_told(server: Venue) -> None:
    address = server.url.replace("://", "://user:secret@")
    server.fail("/fapi/v1/exchangeInfo", *[500] * 9)
    with pytest.raises(VenueError) as caught:
        fetch("binance", ["SOL"], [Kind.PERPETUAL], START, MOMENT, lambda *_: None, address, sleep=lambda _: None)
    assert "secret" not in str(caught.value)


def test_fetching_twice_extends_the_store(server: Venue, tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)

    def into(start: datetime, end: datetime) -> None:
        kinds = [Kind.PERPETUAL, Kind.FUNDING]
        fetch("bybit", ["SOL"], kinds, start, end, store.write, server.url, now=lambda: MOMENT, sleep=lambda _: None)

    into(START + timedelta(days=10), MOMENT - timedelta(days=20))
    into(START, MOMENT - timedelta(days=30))
    into(MOMENT - timedelta(days=25), MOMENT)
    bars, rates = (SeriesKey(kind, "bybit", "SOLUSDT") for kind in (Kind.PERPETUAL, Kind.FUNDING))
    assert store.read([bars], start=None, end=MOMENT)[bars].equals(truth("SOLUSDT"))
    once = Run(server, "bybit", ["SOL"], [Kind.FUNDING]).frame(Kind.FUNDING, "SOLUSDT")
    assert store.read([rates], start=None, end=MOMENT)[rates].equals(once)


def test_nothing_is_asked_of_the_future(server: Venue) -> None:
    run = Run(server, "binance", ["SOL"], [Kind.PERPETUAL], end=MOMENT + timedelta(days=30))
    assert run.frame(Kind.PERPETUAL, "SOLUSDT").equals(truth("SOLUSDT"))
    with pytest.raises(InputError, match="nothing lies between"):
        Run(server, "binance", ["SOL"], [Kind.PERPETUAL], start=MOMENT + timedelta(days=1))


def test_an_unknown_venue_is_named_with_its_nearest(server: Venue) -> None:
    with pytest.raises(ConfigError, match="choose from binance"):
        Run(server, "binanse", ["SOL"], [Kind.PERPETUAL])


def test_without_ccxt_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(MissingExtraError, match=r"stormsail\[live\]"):
        fetch("bybit", ["SOL"], [Kind.PERPETUAL], START, MOMENT, lambda *_: None)


@pytest.mark.parametrize("venue", sorted(VENUES))
def test_every_venue_has_its_clients_in_ccxt(venue: str) -> None:
    import ccxt

    for door in VENUES[venue].doors:
        exchange = getattr(ccxt, door.exchange)
        assert exchange().has["fetchOHLCV"]


def test_importing_the_adapter_does_not_import_ccxt() -> None:
    import subprocess

    code = "import sys, stormsail.adapters.cex; sys.exit('ccxt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
