"""Plans made by hand for developing and testing reports: a realistic one, one without anything, and a large one."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np

from stormsail.audit.tolerance import Tolerance
from stormsail.audit.types import AssetExposure, ExposureReport, Risk
from stormsail.core import (
    Contract,
    Estimate,
    Evidence,
    Finding,
    Holding,
    Maybe,
    Payoff,
    Portfolio,
    Sourced,
    Tenor,
    Trouble,
    Unavailable,
    exact,
    floor_to,
    from_float,
)
from stormsail.forecast.types import CarryForecast
from stormsail.instruments.types import Candidate, CandidateScore, Leg, Route, Shortlist, VenueRecord, VenueScore
from stormsail.margin.tiers import assumed_table
from stormsail.margin.types import CollateralRequirement, Liquidation, MarginMode, Unliquidatable, UpMove
from stormsail.plan.types import (
    Cost,
    Coverage,
    FailureMode,
    Fan,
    HedgePlan,
    History,
    Insurance,
    Order,
    PositionMargin,
    TenorAdvice,
    VenueMargin,
)
from stormsail.ratio.types import Contest, ContestRow, Effectiveness, HedgeRatio, ValueRatio

AS_OF = datetime(2024, 8, 4, tzinfo=UTC)
WINDOW = "2023-08-05..2024-08-03 1d"
GONE = Unavailable("no history before 2024-07-20")
HOSTILE = "<script>alert('x')</script> & Söhne 錢 [bold]\x1b[31m"
COINS = (
    ("SOL", 31200.0, 144.1, 1.52),
    ("ETH", 21400.0, 2989.2, 1.12),
    ("AVAX", 9100.0, 22.41, 1.61),
    ("LINK", 8300.0, 11.72, 1.35),
    ("ARB", 7600.0, 0.598, 1.70),
    ("1INCH", 6100.0, 0.281, 1.44),
    ("PEPE", 5200.0, 0.0000091234, 2.10),
    ("OP", 4300.0, 1.312, 1.74),
    ("币安人生", 3900.0, 0.1834, math.nan),
    ("TIA", 3100.0, 5.12, 1.66),
    ("STRK", 2000.0, 0.417, 1.58),
)
CASH = 1000.0


def est(value: float, error: float | None = None, *, borrowed: str | None = None) -> Maybe:
    if math.isnan(value):
        return GONE
    return Estimate(value, error, 364, WINDOW, "a definition in words", borrowed)


def risk(beta: float = 1.4, *, borrowed: str | None = None) -> Risk:
    def e(value: float, error: float | None = None) -> Maybe:
        return est(value, error, borrowed=borrowed)

    return Risk(
        volatility=e(0.55 * beta, 0.03),
        drawdown=e(0.5 * beta if beta < 1.9 else 0.97),
        var_95=e(0.052 * beta, 0.004),
        es_95=e(0.074 * beta, 0.007),
        var_99=e(0.093 * beta),
        es_99=e(0.12 * beta),
        var_95_normal=e(0.047 * beta),
        es_95_normal=e(0.06 * beta),
        beta_btc=e(beta, 0.06),
        beta_eth=e(beta * 0.8, 0.05),
        beta_alts=e(beta * 0.7, 0.03),
        beta_up=e(beta * 0.82, 0.09),
        beta_down=e(beta * 1.08, 0.10),
        tail_ratio=e(beta * 1.1),
    )


def contract(
    coin: str, venue: str = "binance", *, expiry: datetime | None = None, payoff: Payoff = Payoff.LINEAR
) -> Contract:
    thousand = coin == "PEPE"
    quote = "USD" if payoff is Payoff.INVERSE else "USDT"
    symbol = ("1000" if thousand else "") + coin + quote + ("_241227" if expiry else "")
    return Contract(
        venue,
        symbol,
        coin,
        quote,
        Tenor.DATED if expiry else Tenor.PERPETUAL,
        payoff,
        Decimal(1000 if thousand else 100 if payoff is Payoff.INVERSE else 1),
        Decimal("0.1"),
        Decimal("0.0000001"),
        Decimal(5),
        Decimal("0.0002"),
        Decimal("0.0005"),
        expiry,
        "exchangeInfo 2024-08-03",
    )


def effectiveness(value: float = 0.931) -> Effectiveness:
    return Effectiveness(
        value, value - 0.03, value + 0.02, 0.72, -0.214, -0.031, value - 0.02, 250, "2023-11-28..2024-08-03 1d"
    )


def carry(expected: float = 0.0061, *, assumed: bool = False) -> CarryForecast:
    return CarryForecast(
        expected, expected - 0.021, expected + 0.018, timedelta(days=30), "AR(1) on settled funding", 1095, assumed
    )


def score(
    target: str, candidate: Candidate, he: float | None, *, usable: bool = True, reason: str = ""
) -> CandidateScore:
    return CandidateScore(
        target,
        candidate,
        Unavailable("fewer than 60 common days") if he is None else effectiveness(he),
        0.11 * (he or 0.2),
        carry(-0.004 if he and he < 0.5 else 0.0061, assumed=he is None),
        0.0014,
        Unavailable("no volume known") if he is None else 1.25e6,
        21000.0,
        0.11 * (he or 0.0) + 0.004,
        usable,
        reason or "removes most of the risk and has room for all of it",
    )


def shortlist(coins: tuple[str, ...]) -> Shortlist:
    btc, eth = contract("BTC"), contract("ETH")
    basket = Candidate(
        "Alts-10", Route.BASKET, tuple(Leg(contract(c), 0.2) for c in ("SOL", "AVAX", "LINK", "ARB", "OP"))
    )
    mix = Candidate("BTC+ETH", Route.MIX, (Leg(btc, 0.5), Leg(eth, 0.5)))
    whole = (
        score(
            "portfolio",
            Candidate("all direct", Route.DIRECT, tuple(Leg(contract(c), 0.1) for c in coins[:5])),
            0.987,
            reason="every coin has its own perpetual with room for the whole holding",
        ),
        score(
            "portfolio", basket, 0.874, reason="a basket of ten large coins follows the portfolio; dearer than direct"
        ),
        score("portfolio", mix, 0.702),
        score("portfolio", Candidate(eth.id, Route.PROXY, (Leg(eth, 1),)), 0.69),
        score(
            "portfolio",
            Candidate(btc.id, Route.PROXY, (Leg(btc, 1),)),
            -0.03,
            usable=False,
            reason="the venue's cap leaves no room",
        ),
    )
    by_asset = {}
    for coin in coins:
        own = Candidate(contract(coin).id, Route.DIRECT, (Leg(contract(coin), 1),))
        proxy = Candidate(eth.id, Route.PROXY, (Leg(eth, 1),))
        by_asset[coin] = (
            (score(coin, proxy, None, reason="no contract on the coin itself; ETH stands in, judged by its group"),)
            if coin == "币安人生"
            else (score(coin, own, 0.998), score(coin, proxy, 0.43, reason="far behind the coin's own contract"))
        )
    return Shortlist(by_asset, whole, ())


def contest(target: str, instruments: tuple[str, ...], h: float) -> Contest:
    rows = tuple(
        ContestRow(name, effectiveness(0.91 + gain), gain, p, min(1.0, 5 * p), (h,) * len(instruments), 0.01 * i)
        for i, (name, gain, p) in enumerate(
            [
                ("naive", 0.0, 1.0),
                ("beta", 0.012, 0.03),
                ("minimum variance", 0.015, 0.02),
                ("EWMA shrunk", 0.021, 0.004),
                ("down beta", -0.02, 0.9),
            ]
        )
    )
    k = len(instruments)
    ratio = HedgeRatio(target, instruments, (ValueRatio(h),) * k, (0.021,) * k, "EWMA shrunk", 364, WINDOW)
    return Contest(
        target, instruments, rows, "EWMA shrunk", "beats ratio 1 after correction and no simpler one does", ratio
    )


def requirement(subject: str, move: float = 0.38) -> CollateralRequirement:
    methods = (
        UpMove("extreme values", move, "generalised Pareto above the 95 % quantile of 24 h maxima, hourly", 8760),
        UpMove("GARCH paths", move * 0.9, "GJR-GARCH(1,1), t(4.1), 4096 paths", 8760),
        UpMove("worst seen", move * 0.7, "largest 24 h rise in the sample", 8736),
    )
    chance = (("extreme values", 0.00029), ("GARCH paths", 0.00011))
    return CollateralRequirement(subject, move, "extreme values", methods, 0.01, move + 0.0138, 0.0, chance)


def order(
    coin: str,
    notional: float,
    price: float,
    *,
    venue: str = "binance",
    payoff: Payoff = Payoff.LINEAR,
    protects: tuple[str, ...] = (),
    route: Route = Route.DIRECT,
) -> Order:
    made = contract(coin, venue, payoff=payoff)
    scale = float(made.size) if payoff is Payoff.LINEAR else 1.0
    at = floor_to(from_float(price * scale), made.tick)
    units = floor_to(made.quantity_for(from_float(notional), at), made.lot)
    value = made.notional(units, at)
    slip = Unavailable("no order book and no volume") if coin == "STRK" else value * Decimal("0.0004")
    return Order(made, units, at, value, protects or (coin,), route, value * made.taker_fee, slip)


def position(made: Order, *, safe: bool = False) -> PositionMargin:
    rise = math.inf if safe else 0.392
    where = (
        Unliquidatable("backed by the coin itself")
        if safe
        else Liquidation(
            floor_to(made.price * Decimal("1.392"), made.contract.tick),
            floor_to(made.price * Decimal("1.41"), made.contract.tick),
            1,
        )
    )
    return PositionMargin(
        made.contract.id,
        made.notional * Decimal("0.4"),
        made.notional * Decimal("0.4"),
        made.notional * Decimal("0.01"),
        where,
        rise,
        requirement(made.contract.id, 0.39),
        assumed_table(made.contract, AS_OF.date()),
    )


def margin(venue: str, orders: tuple[Order, ...], *, safe: bool = False) -> VenueMargin:
    notional = sum((o.notional for o in orders), Decimal(0))
    return VenueMargin(
        venue,
        MarginMode.ISOLATED if safe else MarginMode.CROSS,
        notional,
        floor_to(notional * Decimal("0.4"), Decimal("0.01")),
        Decimal(25000),
        math.inf if safe else 0.385,
        requirement(venue),
        tuple(position(o, safe=safe) for o in orders),
    )


def history(days: int = 365) -> History:
    rng = np.random.Generator(np.random.Philox(key=7))
    r = rng.standard_t(4, days) * 0.028 - 0.0012
    h = 0.12 * r + rng.normal(0, 0.006, days)
    times = tuple(str(np.datetime64("2023-08-05") + i) for i in range(days))
    return History(times, tuple(np.cumprod(1 + r).tolist()), tuple(np.cumprod(1 + h).tolist()), effectiveness(0.95))


def fan(liquidation: float) -> Fan:
    hours = tuple(float(h) for h in range(0, 25))
    levels = {0.5: 0.03, 0.75: 0.06, 0.95: 0.13, 0.99: 0.2, 0.999: 0.31}
    return Fan(hours, {q: tuple(m * math.sqrt(h / 24) for h in hours) for q, m in levels.items()}, liquidation)


def scores() -> tuple[VenueScore, ...]:
    return (
        VenueScore(
            "binance",
            78.0,
            {"incidents": 14.0, "oracle": 16.0, "collateral": 18.0, "liquidity": 20.0, "access": 10.0},
            0.25,
            ("6 points: 40,000,000 USD stolen in 2019, made whole", "4 points: insurance fund size is self-reported"),
        ),
        VenueScore(
            "okx",
            71.0,
            {"incidents": 13.0, "oracle": 15.0, "collateral": 16.0, "liquidity": 18.0, "access": 9.0},
            0.2,
            ("5 points: withdrawals halted for five weeks in 2020",),
        ),
        VenueScore(
            "weex",
            31.0,
            {"incidents": 3.0, "oracle": 5.0, "collateral": 5.0, "liquidity": 12.0, "access": 6.0},
            0.0,
            ("20 points: oracle design unknown",),
        ),
    )


def records() -> dict[str, VenueRecord]:
    facts = {
        "hacks": Sourced(
            ("2019-05-07 7,000 BTC",),
            "https://www.binance.com/en/support/announcement",
            date(2024, 6, 1),
            Evidence.REPORTED,
        ),
        "insurance_fund_usd": Sourced(
            1_000_000_000, "https://www.binance.com/en/futures/insurance-fund", date(2024, 6, 1), Evidence.SELF_REPORTED
        ),
        "halts_on_record": Sourced(True, "status page", date(2024, 6, 1), Evidence.VENUE_DOC),
        "who_can_upgrade": Unavailable("not published"),
    }
    return {"binance": VenueRecord("binance", "Binance", "exchange", "active", facts, {})}


def fake_plan() -> HedgePlan:
    """A plan with everything in it, gaps and hostile names included."""
    value = sum(c[1] for c in COINS) + CASH
    assets = tuple(
        AssetExposure(
            coin,
            from_float(v / p),
            from_float(v / p * (0.4 if coin == "STRK" else 1.0)),
            p,
            f"spot/binance/{coin}",
            v,
            v / value,
            risk(beta, borrowed="layer 1" if coin == "TIA" else None),
            est(2e6),
            est(v / 2e4),
            priced_by="perpetual" if coin == "STRK" else "spot",
        )
        for coin, v, p, beta in COINS
    )
    nothing = replace(risk(math.nan))
    cash = AssetExposure(
        "USDT", Decimal(1000), Decimal(1000), 1.0, "par", CASH, CASH / value, nothing, GONE, GONE, is_cash=True
    )
    findings = (
        Finding(
            Trouble.UNAVAILABLE, "funding binance:STRKUSDT", "no history", "the venue's baseline of 0.01 % is assumed"
        ),
        Finding(Trouble.DEGRADED, "币安人生", "15 days of history", "borrows its beta from the group 'meme coins'"),
        Finding(Trouble.NOTE, "STRK", "60 % is locked until 2025-04-15", "it is hedged but not sold"),
        Finding(Trouble.FAIL_CLOSED, "weex", "score 31 is below 40", "nothing is traded there"),
    )
    exposure = ExposureReport(
        AS_OF,
        AS_OF - timedelta(hours=4),
        value,
        value - CASH,
        1200.0,
        (*assets, cash),
        risk(1.41),
        est(0.16),
        est(6.2),
        est(0.58),
        0.01,
        findings[:2],
    )
    orders = (
        *(order(c, v * 0.5, p) for c, v, p, _ in COINS if c not in ("币安人生", "ETH")),
        order("ETH", 2100.0, 2989.2, protects=("币安人生",), route=Route.PROXY),
        order("ETH", 10700.0, 2989.2, venue="okx", payoff=Payoff.INVERSE, route=Route.INVERSE),
    )
    margins = (margin("binance", orders[:-1]), margin("okx", orders[-1:], safe=True))
    parts = {
        o.contract.id: (
            float(o.notional) * (-0.003 if i % 3 == 0 else 0.006),
            0.0,
            -float(o.fee) * 2,
            -float(o.notional) * 0.0008,
        )
        for i, o in enumerate(orders)
    }
    funding, fees, slip = (sum(p[i] for p in parts.values()) for i in (0, 2, 3))
    cost = Cost(
        funding,
        -1410.0,
        0.0,
        fees,
        slip,
        funding + fees + slip,
        -1410.0 + fees + slip,
        parts,
        ("slippage of binance:STRKUSDT is unavailable and left out", "funding of STRK rests on the venue's baseline"),
    )
    coverage = tuple(
        Coverage(
            c,
            v,
            v / 2,
            0.0 if c == "币安人生" else v / 2 - 40,
            1900.0 if c == "币安人生" else 0.0,
            v - (1900.0 if c == "币安人生" else v / 2 - 40),
            "no contract on the coin itself" if c == "币安人生" else "",
        )
        for c, v, *_ in COINS
    )
    return HedgePlan(
        as_of=AS_OF,
        data_end=AS_OF - timedelta(hours=4),
        source="directory of recorded markets",
        portfolio=Portfolio(tuple(Holding(c, exact(str(round(v / p, 4)))) for c, v, p, _ in COINS), name=HOSTILE),
        tolerance=Tolerance(collateral=Decimal(25000), budget=Decimal(2000), venues=("binance", "okx")),
        exposure=exposure,
        shortlist=shortlist(tuple(c[0] for c in COINS)),
        contests=(
            contest("portfolio", ("Alts-10",), 1.043),
            contest("SOL", ("binance:SOLUSDT",), 0.998),
            contest("币安人生", ("binance:BTCUSDT", "binance:ETHUSDT"), 0.61),
        ),
        advice=TenorAdvice(
            Tenor.PERPETUAL,
            carry(),
            Unavailable("no dated contract on these coins"),
            "over 30 days expected funding is better than the basis, and no dated contract covers these coins",
        ),
        orders=orders,
        margins=margins,
        cost=cost,
        insurance=Insurance(
            -cost.total,
            -cost.total / 50000 * 12.17,
            15600.0,
            15100.0,
            52300.0,
            29400.0,
            "20,000 block-bootstrapped spans of 30 days",
        ),
        failures=(
            FailureMode(
                "Squeeze beyond the collateral",
                "prices rise by 38.5 % within 24 hours and the shorts at binance are closed by force",
                16400.0,
                "keep a reserve, spread over two venues",
            ),
            FailureMode(
                "Venue failure", "collateral and open profit at binance are lost", 24000.0, "cap of 25 % per venue"
            ),
            FailureMode(
                "Auto-deleveraging",
                "the venue closes the winning short in the crash",
                Unavailable("no record of past deleveraging by rank"),
                "low leverage",
            ),
        ),
        coverage=coverage,
        effectiveness=effectiveness(),
        effectiveness_naive=effectiveness(0.912),
        binding=("collateral: 25,000 USD is used up; 1,000 USD more would protect 2,450 USD more",),
        venues=scores(),
        history=history(),
        fans={"binance": fan(0.385), "okx": fan(math.inf)},
        findings=findings,
        origins={
            "exposure.value": "spot/binance/* at 2024-08-03T20:00Z",
            "cost.funding": "funding/binance/*, 1095 settlements",
        },
    )


def bare_plan() -> HedgePlan:
    """A plan in which everything that may be unavailable is, and nothing is ordered."""
    full = fake_plan()
    gone = Risk(*[Unavailable("no prices")] * 14)
    nan = math.nan
    assets = tuple(replace(a, risk=gone, days_to_exit=GONE, daily_volume=GONE) for a in full.exposure.assets)
    dead = Unavailable("no data")
    return replace(
        full,
        exposure=replace(
            full.exposure,
            assets=assets,
            risk=gone,
            concentration=dead,
            effective_assets=dead,
            mean_correlation=dead,
            findings=(),
        ),
        shortlist=Shortlist({}, (), ()),
        contests=(),
        orders=(),
        margins=(),
        failures=(),
        coverage=(),
        binding=(),
        venues=(),
        advice=replace(full.advice, perpetual=dead, dated=dead),
        effectiveness=dead,
        effectiveness_naive=dead,
        history=dead,
        cost=Cost(nan, nan, nan, nan, nan, nan, nan, {}, ()),
        insurance=Insurance(nan, nan, nan, nan, nan, nan, "nothing"),
        fans={},
        findings=(),
        origins={},
    )


def big_plan(count: int = 200) -> HedgePlan:
    """A plan of very many coins."""
    full = fake_plan()
    first = full.exposure.assets[0]
    names = [f"COIN{i:03d}" for i in range(count)]
    assets = tuple(replace(first, asset=n, value=1e5 / (i + 1), weight=1 / count) for i, n in enumerate(names))
    orders = tuple(order(n, 5e4 / (i + 1), 3.5) for i, n in enumerate(names))
    return replace(
        full,
        exposure=replace(full.exposure, assets=assets),
        orders=orders,
        margins=(margin("binance", orders),),
        shortlist=shortlist(tuple(names)),
        contests=tuple(contest(n, (f"binance:{n}USDT",), 1.01) for n in names),
        coverage=tuple(Coverage(n, 100.0, 50.0, 49.0, 0.0, 51.0, "") for n in names),
        findings=tuple(Finding(Trouble.NOTE, n, "seen", "nothing") for n in names),
    )
