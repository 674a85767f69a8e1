"""The check of the promise: events counted as a plain account would, and the promise kept where the law is known."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.coverage_table import pasts
from stormsail.core import Contract, Payoff, Tenor
from stormsail.margin.census import floor_census, rises
from stormsail.margin.coverage import METHODS, Past, binomial_band, promise_windows
from stormsail.margin.floor import MEASURED, FloorTable, RiseClass, floor_rise
from stormsail.margin.moves import Moves
from stormsail.margin.span import liquidated
from stormsail.margin.tiers import assumed_table
from stormsail.margin.types import Promise
from stormsail.plan.collateral import simulated

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BAR = 4 * HOUR
PROMISE = Promise(0.01, 30 * DAY, DAY, 0.0)
ONE = Decimal(1)
CONTRACT = Contract(
    "v", "AUSDT", "A", "USDT", Tenor.PERPETUAL, Payoff.LINEAR, ONE, ONE, Decimal("0.01"), ONE, Decimal(0), Decimal(0)
)
TABLE = assumed_table(CONTRACT, date(2024, 1, 1))
NOTHING = (np.empty(0, dtype="datetime64[us]"), np.empty(0))
LONELY: FloorTable = dict.fromkeys(RiseClass, ((0.0001, 0.0001 * (1 + 1e-09)),) * 4) | {
    RiseClass.YOUNG: ((50.0, 99.0),) * 4
}
"""No floor and no ceiling to speak of: the estimates stand alone."""


def moves_of(closes: np.ndarray, highs: np.ndarray) -> Moves:
    times = np.datetime64("2024-01-01", "us") + np.arange(len(closes)) * np.timedelta64(4, "h")
    return Moves(times, highs, closes, BAR)


def past_of(
    moves: Moves,
    funding: tuple[np.ndarray, np.ndarray] = NOTHING,
    kind: RiseClass = RiseClass.ALT,
    notional: Decimal = Decimal(100_000),
) -> Past:
    return Past(CONTRACT, moves, kind, lambda day: TABLE, funding, (0.02, 8.0), notional)


def flat(days: int, **jumps: float) -> Moves:
    """Prices that stand still but for highs of single bars, given as ``bar7=2.0``."""
    highs = np.ones(days * 6)
    for name, high in jumps.items():
        highs[int(name.removeprefix("bar"))] = high
    return moves_of(np.ones(days * 6), highs)


def test_a_spike_counts_once_in_its_span_and_its_window() -> None:
    move = promise_windows(past_of(flat(100)), [PROMISE])["move"][0]
    over, under = 1.0 + 1.2 * move, 1.0 + 0.999 * move
    assert 199 == 6 + 180 + 13  # a day, a window of thirty, two days and a bar
    hit = promise_windows(past_of(flat(100, bar199=over, bar201=over)), [PROMISE])
    assert hit["spans"].to_list() == [30, 30, 30]
    assert hit["failed"].to_list() == [0, 1, 0]  # both spikes lie in one span
    assert hit["first"][1] == (np.datetime64("2024-01-01", "us") + 199 * np.timedelta64(4, "h")).astype(datetime)
    assert hit["floor_failed"].to_list() == [0, 1, 0]
    assert promise_windows(past_of(flat(100, bar199=under)), [PROMISE])["failed"].sum() == 0


def test_funding_paid_before_the_spike_takes_from_what_backs_it() -> None:
    quiet = promise_windows(past_of(flat(100)), [PROMISE])
    move, rate = quiet["move"][0], quiet["rate"][0]
    times = flat(100).times
    spike = flat(100, bar199=1.0 + 0.999 * move)
    paid = np.array([move - rate])  # all that maintenance and allowances together need
    # bars 198 to 203 are one span: what settles before it is topped up, what settles after the spike comes too late
    for settled, failed in ((198, 1), (199, 1), (200, 0), (197, 0)):
        funding = (times[settled : settled + 1], paid)
        assert promise_windows(past_of(spike, funding), [PROMISE])["failed"].sum() == failed
    received = (times[198:199], np.array([0.5]))
    over = flat(100, bar199=1.0 + 1.2 * move)
    assert promise_windows(past_of(over, received), [PROMISE])["failed"].sum() == 0


def test_spans_with_holes_are_left_out_and_windows_are_whole() -> None:
    moves = flat(45)
    moves.closes[100] = moves.highs[100] = np.nan
    found = promise_windows(past_of(moves), [PROMISE])
    assert found.height == 1 and found["spans"][0] == 29


@given(
    rate=st.floats(0.05, 3.0),
    notional=st.sampled_from([1_000, 60_000, 3_000_000]),
    highs=st.lists(st.floats(0.5, 5.0), min_size=1, max_size=8),
    paid=st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=8),
)
def test_the_event_is_that_of_a_plain_account(
    rate: float, notional: int, highs: list[float], paid: list[float]
) -> None:
    """Balance against maintenance at the bar's high, bracket by bracket, in floats."""
    tiers = [(float(t.floor), float(t.rate), float(t.deduction)) for t in TABLE.tiers]

    def slack(high: float, spent: float) -> float:
        value = notional * high
        _, share, taken = next(t for t in reversed(tiers) if value > t[0])
        return (rate - spent - (high - 1.0)) * notional - (value * share - taken)

    slacks = [slack(h, p) / notional for h, p in zip(highs, paid, strict=False)]
    if min(abs(s) for s in slacks) < 1e-6:
        return
    expected = next((i for i, s in enumerate(slacks) if s < 0), None)
    got = liquidated(CONTRACT, Decimal(notional), rate, TABLE, np.array(highs), np.array(paid[: len(highs)]))
    assert got == expected


def garch_closes(key: int, bars: int, nu: float = 4.0) -> np.ndarray:
    """Log returns of a GARCH(1,1) with Student's t: 4.9 % a day on average, persistence 0.98."""
    draws = np.random.Generator(np.random.Philox(key=key)).standard_t(nu, bars) * np.sqrt((nu - 2) / nu)
    alpha, beta, level = 0.08, 0.90, 0.02**2
    h, found = level, np.empty(bars)
    for t, z in enumerate(draws):
        found[t] = np.sqrt(h) * z
        h = level * (1 - alpha - beta) + alpha * found[t] ** 2 + beta * h
    return np.exp(found)


@cache
def known_law() -> pl.DataFrame:
    """Windows of twelve invented contracts of 1,200 days each; estimates stand alone."""
    promises = [Promise(chance, 30 * DAY, DAY, 0.0) for chance in (0.10, 0.05)]
    parts = []
    for key in range(12):
        closes = garch_closes(1000 + key, 6 * 1200)
        past = past_of(moves_of(closes, np.maximum(closes, 1.0)), notional=Decimal(1000))
        parts.append(
            promise_windows(past, promises, simulate=simulated, warm_up=180 * DAY, measured=LONELY).with_columns(
                pl.lit(key).alias("key")
            )
        )
    return pl.concat(parts)


def test_the_promise_is_kept_where_the_law_is_known() -> None:
    windows = known_law()
    assert windows.height == 2 * 12 * 34
    for chance, part in windows.group_by("chance"):
        failures = int((part["failed"] > 0).sum())
        low, _ = binomial_band(failures, part.height)
        assert low <= float(chance[0])  # type: ignore[arg-type]  # a chance
        assert failures / part.height <= 1.3 * float(chance[0])  # type: ignore[arg-type]  # a chance
    thin = windows.filter(pl.col("chance") == 0.05)
    low, _ = binomial_band(int((thin["reflection_failed"] > 0).sum()), thin.height)
    assert low > 0.05  # thin tails alone would have broken it: the check can fail
    assert set(windows["decided_by"]) <= set(METHODS) - {"floor"}


def test_the_rule_asked_in_the_past_knows_nothing_later() -> None:
    closes = garch_closes(5, 6 * 400)
    wild = closes.copy()
    cut = 6 + 180 * 6
    wild[cut:] = closes[cut:] ** 3
    found = [
        promise_windows(past_of(moves_of(c, np.maximum(c, 1.0))), [PROMISE], simulate=simulated).filter(
            pl.col("start") <= moves_of(closes, closes).times[cut - 1].astype(datetime)
        )
        for c in (closes, wild)
    ]
    asked = ["start", "move", "rate", "decided_by", *METHODS]
    assert found[0].height == 7
    assert found[0].select(asked).equals(found[1].select(asked))
    assert found[0]["failed"][:-1].equals(found[1]["failed"][:-1])


def test_a_listed_coin_is_young_until_it_has_settled_and_its_age_is_told() -> None:
    moves = flat(300)
    begin = moves.times[0] - np.timedelta64(10, "D")
    found = promise_windows(past_of(moves), [PROMISE], recording=begin)
    assert Counter(found["row"]) == {"young alt": 6, "alt": 3}
    assert found["age"].to_list()[:2] == pytest.approx([5 / 6, 30 + 5 / 6])
    unknown = promise_windows(past_of(moves), [PROMISE], recording=moves.times[0])
    assert set(unknown["row"]) == {"alt"} and unknown["age"].null_count() == unknown.height
    later = promise_windows(past_of(moves), [PROMISE], recording=begin, since=moves.times[1000])
    assert later.height == 3 and later["start"].equals(found["start"][-3:])


def test_binomial_band_contains_its_share() -> None:
    assert binomial_band(0, 10)[0] == 0.0 and binomial_band(10, 10)[1] == 1.0
    low, high = binomial_band(0, 100)
    assert high == pytest.approx(1 - 0.025 ** (1 / 100), rel=1e-9) and low == 0.0


def test_the_census_equals_a_plain_loop() -> None:
    closes = garch_closes(8, 400)
    moves = moves_of(closes, np.maximum(closes, 1.0) * 1.001)
    moves.closes[50] = moves.highs[50] = np.nan
    slow = []
    for start in range(400 - 2 + 1):
        level, top = 1.0, 1.0
        for bar in (start, start + 1):
            top, level = max(top, level * moves.highs[bar]), level * moves.closes[bar]
        if start not in (49, 50):
            slow.append(top - 1.0)
    np.testing.assert_allclose(rises(moves, 8 * HOUR), slow, rtol=1e-12)
    kinds = {"a": RiseClass.BTC, "b": RiseClass.ETH, "c": RiseClass.SOL, "d": RiseClass.ALT, "e": RiseClass.ALT}
    table = floor_census({name: moves_of(garch_closes(k, 800), np.ones(800)) for k, name in enumerate(kinds)}, kinds)
    for kind, rows in table.items():
        assert all(often <= rarely for often, rarely in rows), kind
        assert floor_rise(kind, DAY, 0.01, measured=table).move == pytest.approx(rows[1][0])
    assert table[RiseClass.YOUNG][1][0] >= table[RiseClass.ALT][1][0]


@pytest.mark.realdata
def test_the_table_in_force_is_no_laxer_than_a_census_of_what_is_at_hand(real_data: Path) -> None:
    known = {n: p for n, p in pasts(real_data).items() if p.moves.bar == BAR or n in ("BTC", "ETH")}
    table = floor_census({n: p.moves for n, p in known.items()}, {n: p.kind for n, p in known.items()})
    for kind in (RiseClass.SOL, RiseClass.ALT, RiseClass.YOUNG):
        for force, census in zip(MEASURED[kind][:3], table[kind][:3], strict=True):
            assert force[0] > 0.95 * census[0] and force[1] > 0.95 * census[1]


@pytest.mark.realdata
def test_the_promise_was_kept_on_real_perpetuals(real_data: Path) -> None:
    """The rule as the plan asks it, all methods, daily top-ups, 1 % and 5 % in 30 days: the last year of 150 coins."""
    everything = pasts(real_data)
    recording = min(p.moves.times[0] for p in everything.values())
    promises = [Promise(chance, 30 * DAY, DAY, 0.0) for chance in (0.01, 0.05)]
    since = np.datetime64("2024-10-01", "us")
    found = pl.concat(
        promise_windows(past, promises, recording=recording, simulate=simulated, since=since)
        for past in everything.values()
    )
    assert found["subject"].n_unique() >= 140
    for promise in promises:
        part = found.filter(pl.col("chance") == promise.alpha)
        low, _ = binomial_band(int((part["failed"] > 0).sum()), part.height)
        assert part.height > 1_000 and low <= promise.alpha
