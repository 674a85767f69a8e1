"""A local server that speaks the public protocol of Binance USD-M (and spot) and of Bybit v5, with faults on demand."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

HOUR = 3_600_000
NOW = 1_735_691_400_000  # 2025-01-01 00:30 UTC
LISTED = {"SUIUSDT": NOW - 100 * HOUR - 1_800_000}
GAPS = {"ADAUSDT": range(NOW // HOUR - 60, NOW // HOUR - 50)}
RULE_CHANGE = NOW // HOUR * HOUR - 10 * 24 * HOUR
BASES = ("BTC", "ETH", "SOL", "ADA", "SUI", "1000PEPE")
DATED = "BTCUSDT_250328"
DATED_BYBIT = "BTCUSDT-28MAR25"


def price(symbol: str, opened: int) -> tuple[float, float, float, float, float]:
    """Open, high, low, close and volume in coins of the hour, the same for whoever asks."""
    level = 100.0 + sum(map(ord, symbol)) % 50 + (opened // HOUR) % 97 / 10
    return level, level + 1.5, level - 1.25, level + 0.5, 10.0 + opened // HOUR % 7


def hours(symbol: str, start: int, end: int) -> list[int]:
    first = max(-(-start // HOUR) * HOUR, LISTED.get(symbol, 0) // HOUR * HOUR)
    return [t for t in range(first, min(end, NOW) + 1, HOUR) if t // HOUR not in GAPS.get(symbol, ())]


def settlements(symbol: str, start: int, end: int) -> list[tuple[int, str]]:
    """Every 8 hours, and every 4 since the rule changed; 4 milliseconds late, as Binance is."""
    eight = [t for t in range(0, RULE_CHANGE + 1, 8 * HOUR) if t >= start - 8 * HOUR]
    four = range(RULE_CHANGE + 4 * HOUR, min(end, NOW) + 1, 4 * HOUR)
    late = [(t + 4, f"{(t // HOUR % 11 - 4) * 1e-5:.8f}") for t in (*eight, *four)]
    return [(t, rate) for t, rate in late if start <= t <= end]


@dataclass
class Venue:
    """State of the server: what was asked, and what goes wrong next."""

    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: defaultdict[str, list[web.Response | str]] = field(default_factory=lambda: defaultdict(list))
    kline_cap: int = 1000
    repeat: bool = False
    contradict: bool = False

    def fail(self, path: str, *statuses: int, body: str = "{}", headers: dict[str, str] | None = None) -> None:
        self.faults[path] += [web.Response(status=status, text=body, headers=headers) for status in statuses]

    def count(self, path: str) -> int:
        return sum(1 for asked, _ in self.asked if asked == path)

    def queries(self, path: str) -> list[dict[str, str]]:
        return [query for asked, query in self.asked if asked == path]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path, query = request.path, dict(request.query)
        self.asked.append((path, query))
        assert "signature" not in query
        assert not any("key" in name.lower() for name in request.headers)
        if self.faults[path]:
            fault = self.faults[path].pop(0)
            return web.Response(text=fault) if isinstance(fault, str) else fault
        route = getattr(self, "on" + path.replace("/", "_").replace("-", "_"), None)
        if route is None:
            return web.json_response({"code": -5000, "msg": f"no such path {path}"}, status=404)
        return web.json_response(route(query))

    # Binance: klines oldest first from startTime, at most kline_cap of them; the running bar is among them.

    def on_fapi_v1_exchangeInfo(self, query: dict[str, str]) -> Any:
        symbols = [_binance_future(base) for base in BASES]
        dead = _binance_future("LUNA") | {"status": "SETTLING", "contractStatus": "SETTLING"}
        return {"timezone": "UTC", "serverTime": NOW, "symbols": [*symbols, dead, _binance_future("BTC", DATED)]}

    def on_api_v3_exchangeInfo(self, query: dict[str, str]) -> Any:
        return {"timezone": "UTC", "serverTime": NOW, "symbols": [_binance_spot(b) for b in ("BTC", "ETH", "SOL")]}

    def on_fapi_v1_klines(self, query: dict[str, str]) -> Any:
        return self._binance_klines(query, volume=True)

    on_api_v3_klines = on_fapi_v1_klines

    def on_fapi_v1_markPriceKlines(self, query: dict[str, str]) -> Any:
        return self._binance_klines(query, volume=False)

    def _binance_klines(self, query: dict[str, str], *, volume: bool) -> Any:
        start, end = int(query.get("startTime", 0)), int(query.get("endTime", NOW))
        found = hours(query["symbol"], start, end)[: min(int(query.get("limit", 500)), self.kline_cap)]
        rows = []
        for t in found:
            o, h, low, c, v = map(str, price(query["symbol"], t))
            v = v if volume else "0"
            rows.append([t, o, h, low, c, v, t + HOUR - 1, "0", 5, "0", "0", "0"])
        if self.repeat and rows and start > HOUR:
            rows = [rows[0], *rows]
        if self.contradict and rows:
            rows.append([rows[-1][0], "1", "2", "0.5", "1.5", "1", rows[-1][6], "0", 1, "0", "0", "0"])
        return rows

    def on_fapi_v1_fundingRate(self, query: dict[str, str]) -> Any:
        start, end = int(query.get("startTime", 0)), int(query.get("endTime", NOW))
        found = settlements(query["symbol"], start, end)[: int(query.get("limit", 100))]
        return [
            {"symbol": query["symbol"], "fundingTime": t, "fundingRate": rate, "markPrice": "100"} for t, rate in found
        ]

    def on_fapi_v1_depth(self, query: dict[str, str]) -> Any:
        levels = {"bids": [["99.5", "2"], ["99", "3"]], "asks": [["100.5", "1"], ["101", "4"]]}
        return {"lastUpdateId": 1, "E": NOW, "T": NOW, **levels}

    # Bybit: everything newest first; kline gives the newest of the window, funding the newest up to endTime.

    def on_v5_market_instruments_info(self, query: dict[str, str]) -> Any:
        if query["category"] == "linear":
            found = [*(_bybit_future(base) for base in BASES), _bybit_future("BTC", DATED_BYBIT)]
        elif query["category"] == "inverse":
            found = [_bybit_inverse("BTC")]
        else:
            found = [_bybit_spot(base) for base in ("BTC", "SOL")]
        return _bybit({"category": query["category"], "nextPageCursor": "", "list": found})

    def on_v5_market_kline(self, query: dict[str, str]) -> Any:
        start, end = int(query["start"]), int(query.get("end", NOW))
        found = hours(query["symbol"], start, end)[::-1][: min(int(query.get("limit", 200)), 1000)]
        inverse = query["category"] == "inverse"
        rows = []
        for t in found:
            o, h, low, c, v = price(query["symbol"], t)
            # linear: volume in coins, turnover in quote; inverse: volume in USD, turnover in coins
            amounts = [str(v * c), str(v)] if inverse else [str(v), str(v * c)]
            rows.append([str(t), *map(str, (o, h, low, c)), *amounts])
        return _bybit({"category": query["category"], "symbol": query["symbol"], "list": rows})

    def on_v5_market_mark_price_kline(self, query: dict[str, str]) -> Any:
        whole = self.on_v5_market_kline(query)
        whole["result"]["list"] = [row[:5] for row in whole["result"]["list"]]
        return whole

    def on_v5_market_funding_history(self, query: dict[str, str]) -> Any:
        if "startTime" in query and "endTime" not in query:
            return {"retCode": 10001, "retMsg": "endTime is required", "result": {}, "time": NOW}
        end = int(query.get("endTime", NOW))
        found = settlements(query["symbol"], int(query.get("startTime", 0)), end)[::-1][: int(query["limit"])]
        rows = [{"symbol": query["symbol"], "fundingRate": r, "fundingRateTimestamp": str(t)} for t, r in found]
        return _bybit({"category": query["category"], "list": rows})

    def on_v5_market_orderbook(self, query: dict[str, str]) -> Any:
        levels = {"b": [["99.5", "2"], ["99", "3"]], "a": [["100.5", "1"], ["101", "4"]]}
        return _bybit({"s": query["symbol"], **levels, "ts": NOW, "u": 1, "seq": 1, "cts": NOW})

    def on_v5_market_risk_limit(self, query: dict[str, str]) -> Any:
        rows = [(1, "200000", "0.01", "0.02", "50.00", ""), (2, "400000", "0.02", "0.04", "25.00", "2000")]
        names = ("id", "riskLimitValue", "maintenanceMargin", "initialMargin", "maxLeverage", "mmDeduction")
        found = [dict(zip(names, row, strict=True)) | {"symbol": query["symbol"], "isLowestRisk": 1} for row in rows]
        return _bybit({"category": query["category"], "list": found, "nextPageCursor": ""})


def _bybit(result: dict[str, Any]) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": NOW}


def _binance_future(base: str, symbol: str | None = None) -> dict[str, Any]:
    dated = symbol is not None
    return {
        "symbol": symbol or f"{base}USDT",
        "pair": f"{base}USDT",
        "contractType": "CURRENT_QUARTER" if dated else "PERPETUAL",
        "deliveryDate": 1_743_148_800_000 if dated else 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.0000001", "maxPrice": "2000", "tickSize": "0.0000001"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _binance_spot(base: str) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
            {"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": True},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }


def _bybit_future(base: str, symbol: str | None = None) -> dict[str, Any]:
    dated = symbol is not None
    return {
        "symbol": symbol or f"{base}USDT",
        "contractType": "LinearFutures" if dated else "LinearPerpetual",
        "status": "Trading",
        "baseCoin": base,
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "launchTime": "1585526400000",
        "deliveryTime": "1743148800000" if dated else "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "50.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "199999.80", "tickSize": "0.10"},
        "lotSizeFilter": {
            "maxOrderQty": "1190.000",
            "minOrderQty": "0.001",
            "qtyStep": "0.001",
            "postOnlyMaxOrderQty": "1190.000",
            "maxMktOrderQty": "119.000",
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 240,
        "copyTrading": "none",
    }


def _bybit_inverse(base: str) -> dict[str, Any]:
    return _bybit_future(base) | {
        "symbol": f"{base}USD",
        "contractType": "InversePerpetual",
        "quoteCoin": "USD",
        "settleCoin": base,
        "lotSizeFilter": {"maxOrderQty": "25000000", "minOrderQty": "1", "qtyStep": "1"},
    }


def _bybit_spot(base: str) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "baseCoin": base,
        "quoteCoin": "USDT",
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "both",
        "lotSizeFilter": {
            "basePrecision": "0.000001",
            "quotePrecision": "0.00000001",
            "minOrderQty": "0.000048",
            "maxOrderQty": "71.7",
            "minOrderAmt": "1",
            "maxOrderAmt": "4000000",
        },
        "priceFilter": {"tickSize": "0.01"},
    }


@contextmanager
def serve() -> Iterator[Venue]:
    """Run the server on a free port of this machine."""
    venue = Venue()
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", venue.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        venue.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    runner = loop.run_until_complete(start())

    def run() -> None:
        loop.call_soon(ready.set)
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield venue
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
