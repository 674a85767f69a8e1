"""The collateral rule: each method against what is known, the whole against the past."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import InputError, Trouble, Unavailable
from stormsail.margin.collateral import allowance, ceiling_findings, collateral_requirement
from stormsail.margin.fan import RiseFan, rise_fan
from stormsail.margin.floor import RiseClass, ceiling_rise, floor_rise, is_young
from stormsail.margin.methods import Simulated, standard_methods
from stormsail.margin.moves import Moves, bar_moves, book_moves, coarsened
from stormsail.margin.rise import bootstrap_rise, ewma_sigma_daily, from_simulation, reflection
from stormsail.margin.tail import block_maxima, bounded_pareto, fit_pareto, pareto_tail
from stormsail.margin.types import Method, Promise, UpMove
from tests.support import bars, random_walk

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
PROMISE = Promise(0.01, timedelta(days=30), DAY, 0.30)


def rng(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


def walk(n: int = 24 * 400, seed: int = 3, volatility: float = 0.01) -> Moves:
    return bar_moves(bars(random_walk(n, seed=seed, volatility=volatility), spread=0.001))


def test_reflection_inverts_its_formula() -> None:
    move = reflection(0.05, timedelta(days=4), 0.002)
    assert move.exceed(move.move) == pytest.approx(0.002, rel=1e-9)
    z = 3.0902323061678132  # the 99.9 % point of the normal
    assert math.log1p(move.move) == pytest.approx(0.1 * z, rel=1e-9)


def test_reflection_against_simulated_brownian_motion() -> None:
    steps = rng(1).normal(0.0, 0.04 / math.sqrt(500), (20_000, 500))
    top = np.maximum(np.expm1(np.cumsum(steps, axis=1).max(axis=1)), 0)
    move = reflection(0.04, DAY, 0.05)
    assert (top >= move.move).mean() == pytest.approx(0.05, abs=0.006)


def test_ewma_recovers_volatility() -> None:
    sigma = ewma_sigma_daily(walk())
    assert isinstance(sigma, float)
    assert sigma == pytest.approx(0.01 * math.sqrt(24), rel=0.1)


def evenly(uniform: np.ndarray) -> np.ndarray:
    """The first column, which says where a path starts, spread over the paths."""
    starts = (np.arange(len(uniform)) + uniform[:, 0]) / len(uniform)
    return np.column_stack([starts, uniform[:, 1:]])


def slow_bootstrap(moves: Moves, draws: np.ndarray, restart: float) -> list[float]:
    highs, closes = moves.usable()
    tops = []
    for row in draws:
        at = int(row[0] * len(highs))
        level, top = 1.0, 1.0
        for j, u in enumerate(row):
            if j:
                at = int(u / restart * len(highs)) if u < restart else (at + 1) % len(highs)
            top = max(top, level * highs[at])
            level *= closes[at]
        tops.append(top - 1.0)
    return tops


def test_bootstrap_equals_a_plain_loop() -> None:
    moves = walk(24 * 60)
    tops = slow_bootstrap(moves, evenly(rng(7).random((500, 24))), 1 / 24)
    found = bootstrap_rise(moves, DAY, 0.02, paths=500, seed=7)
    assert isinstance(found, Method)
    assert found.move == pytest.approx(sorted(tops)[500 - 9], rel=1e-12)
    assert found.exceed(found.move) == pytest.approx(10 / 501)
    assert found == bootstrap_rise(moves, DAY, 0.02, paths=500, seed=7)


def test_bootstrap_recovers_a_known_tail() -> None:
    moves = bar_moves(bars(random_walk(24 * 2000, seed=5, volatility=0.01)))
    found = bootstrap_rise(moves, DAY, 0.01)
    truth = reflection(0.01 * math.sqrt(24), DAY, 0.01)  # continuous path: slightly above the hourly one
    assert isinstance(found, Method)
    assert 0.85 * truth.move < found.move < 1.02 * truth.move


def test_short_history_is_said_and_the_floor_decides() -> None:
    promise = Promise(0.01, 30 * DAY, DAY, 0.0)
    methods, missing = standard_methods(walk(24 * 20), RiseClass.YOUNG, promise)
    assert [m.name for m in methods] == ["floor", "reflection"]
    assert [str(m.reason) for m in missing] == [
        "bootstrap: 20.0 days of history, 30 are needed",
        "pareto tail: 19 blocks of history, 60 are needed",
    ]
    rule = collateral_requirement("x", methods, PROMISE, 0.02)
    assert rule.decided_by == "floor" and rule.move > 1.61
    assert max(chance for _, chance in rule.chance) <= PROMISE.alpha_per_top_up * (1 + 1e-9)
    none, missing = standard_methods(Unavailable("no bars"), RiseClass.ALT, PROMISE, simulated=Unavailable("no fit"))
    assert [m.name for m in none] == ["floor"]
    assert [m.reason for m in missing] == ["no fit", "no bars"]


def test_a_coin_is_young_by_its_listing_and_not_by_the_recording() -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    assert not is_young(start, start, start + 10 * DAY)  # there from the first bar on: of any age
    assert not is_young(start + 3 * DAY, start, start + 10 * DAY)
    assert is_young(start + 4 * DAY, start, start + 183 * DAY)
    assert not is_young(start + 4 * DAY, start, start + 184 * DAY)


def test_all_methods_answer_on_long_history() -> None:
    drawn = Simulated(rng(2).exponential(0.02, 5000), "exponential")
    methods, missing = standard_methods(walk(), RiseClass.BTC, PROMISE, simulated=drawn)
    assert [m.name for m in methods] == ["floor", "simulation", "reflection", "bootstrap", "pareto"]
    assert missing == ()
    rule = collateral_requirement("x", methods, PROMISE, 0.01, 0.002)
    assert rule.move == max(PROMISE.survive, *(m.move for m in methods))
    assert rule.rate == pytest.approx(rule.move + 0.01 * (1 + rule.move) + 0.002)
    assert {m.method for m in rule.methods} == {m.name for m in methods} | {"survive"}
    assert dict(rule.chance).keys() == {m.name for m in methods}
    # every method allows the decided rise no more than the promise, save those at their resolution
    limits = dict(rule.chance)
    assert limits["reflection"] <= PROMISE.alpha_per_top_up and limits["pareto"] <= PROMISE.alpha_per_top_up


def test_pareto_fit_recovers_its_parameters() -> None:
    u = rng(4).random(40_000)
    for xi, beta in ((0.25, 0.05), (-0.2, 1.0), (0.4, 2.0)):
        shape, scale = fit_pareto(beta * (u**-xi - 1) / xi)
        assert float(shape) == pytest.approx(xi, abs=0.03)
        assert float(scale) == pytest.approx(beta, rel=0.03)


def test_pareto_tail_recovers_a_known_quantile() -> None:
    sample = 0.02 * (rng(9).random(5000) ** -0.3 - 1)
    found = pareto_tail(sample, 0.001)
    assert isinstance(found, Method)
    assert found.move == pytest.approx(0.02 * (0.001**-0.3 - 1), rel=0.15)
    assert found.exceed(found.move) == pytest.approx(0.001, rel=1e-6)
    inside = pareto_tail(sample, 0.2)
    assert isinstance(inside, Method)
    assert (sample >= inside.move).mean() == pytest.approx(0.2, abs=1e-3)
    assert isinstance(pareto_tail(sample[:59], 0.01), Unavailable)


@given(st.floats(1e-6, 0.4), st.floats(1e-6, 0.4))
def test_methods_are_monotone_in_alpha(a: float, b: float) -> None:
    low, high = sorted((a, b))
    sample = np.sort(rng(6).exponential(0.03, 400))
    for rise in (
        lambda alpha: reflection(0.04, DAY, alpha),
        lambda alpha: from_simulation(sample, alpha, ""),
        lambda alpha: floor_rise("alt", DAY, alpha),
    ):
        assert rise(low).move >= rise(high).move


def test_a_weighted_sample_is_the_same_sample_with_repeats() -> None:
    rises, counts = rng(3).exponential(0.05, 300), rng(4).integers(1, 4, 300)
    counts[np.argmax(rises)] = 1  # the largest counts once more on the safe side
    for alpha in (0.01, 0.05, 0.3):
        once = from_simulation(rises, alpha, "", counts.astype(float))
        again = from_simulation(np.repeat(rises, counts), alpha, "")
        assert once.move == pytest.approx(again.move, rel=1e-12)
        assert once.exceed(0.08) == pytest.approx(again.exceed(0.08), rel=1e-12)
        assert once.exceed(9.0) == pytest.approx(again.exceed(9.0), rel=1e-12)


def test_the_error_told_is_that_of_other_samples() -> None:
    found = [from_simulation(rng(k).exponential(0.05, 4000), 0.01, "model") for k in range(60)]
    told = [float(m.rise.detail.split("+- ")[1].split("%")[0]) / 100 for m in found]
    assert np.mean(told) == pytest.approx(np.std([m.move for m in found]), rel=0.3)
    assert "beyond them" in from_simulation(rng(1).exponential(0.05, 100), 0.001, "model").rise.detail


def test_the_rise_does_not_hang_on_the_seed_of_the_bootstrap() -> None:
    """Ten seeds on two years of hours with heavy tails: a chance of one in 3,000."""
    closes = np.exp(0.008 * rng(8).standard_t(3.5, 24 * 730))
    times = np.datetime64("2022-01-01T00:00", "us") + np.arange(len(closes)) * np.timedelta64(1, "h")
    moves = Moves(times, np.maximum(closes, 1.0), closes, HOUR)
    found = [bootstrap_rise(moves, DAY, PROMISE.alpha_per_top_up, seed=s) for s in range(10)]
    rises = np.array([m.move for m in found if isinstance(m, Method)])
    assert len(rises) == 10
    assert np.ptp(rises) < 0.25 * rises.mean()


def test_no_estimate_asks_for_more_than_the_ceiling_and_a_finding_says_so() -> None:
    most = ceiling_rise(DAY, PROMISE.alpha_per_top_up)
    wild = Simulated(rng(2).exponential(2.0, 5000), "wild")
    methods, _ = standard_methods(walk(), RiseClass.BTC, PROMISE, simulated=wild)
    by_name = {m.name: m for m in methods}
    assert max(m.move for m in methods) == by_name["simulation"].move == most
    assert by_name["simulation"].rise.asked == pytest.approx(2.0 * math.log(3000), rel=0.15)
    assert by_name["simulation"].exceed(most) > 100 * PROMISE.alpha_per_top_up  # its own view of the chance stays
    (found,) = ceiling_findings(collateral_requirement("x", methods, PROMISE, 0.01))
    assert found.trouble is Trouble.DEGRADED and "simulation asked" in found.cause
    calm, _ = standard_methods(walk(), RiseClass.BTC, PROMISE)
    assert ceiling_findings(collateral_requirement("x", calm, PROMISE, 0.01)) == ()
    for kind in RiseClass:
        assert floor_rise(kind, DAY, 1e-4).move <= ceiling_rise(DAY, 1e-4)


def test_one_wild_block_does_not_make_the_tail() -> None:
    """A coin that rose by 780 % once in nine months: the shape is held at a half."""
    blocks = np.r_[rng(5).exponential(0.05, 275), 7.8]
    shapes, _ = bounded_pareto(np.sort(blocks)[-20:][rng(6).integers(0, 20, (50, 20))])
    assert shapes.max() <= 0.5 and shapes.min() >= -0.5
    found = pareto_tail(blocks, PROMISE.alpha_per_top_up)
    assert isinstance(found, Method)
    assert math.isfinite(found.move) and found.exceed(found.move) == pytest.approx(PROMISE.alpha_per_top_up, rel=1e-6)


def test_floor_table_and_its_lines() -> None:
    assert floor_rise("BTC", DAY, 0.01).move == 0.118
    assert floor_rise("alt", timedelta(days=7), 0.001).move == pytest.approx(1.33)
    rarer = floor_rise("alt", DAY, 0.01 / 30)
    assert rarer.move > 0.644
    assert rarer.exceed(rarer.move) == pytest.approx(0.01 / 30)  # the promise holds by the floor's own line
    middle = floor_rise("alt", DAY, 10**-2.5)
    assert middle.move == pytest.approx(math.sqrt(0.299 * 0.644))
    assert middle.exceed(0.299) == pytest.approx(0.01)
    assert middle.exceed(0.644) == pytest.approx(0.001)
    assert floor_rise("ETH", HOUR).move == floor_rise("ETH", 8 * HOUR).move == 0.138
    assert floor_rise("SOL", 14 * DAY).move > 1.12
    spans = [floor_rise("alt", timedelta(hours=h)).move for h in range(4, 400, 4)]
    assert spans == sorted(spans)
    with pytest.raises(InputError, match="classes"):
        floor_rise("gold", DAY)


def test_holes_break_blocks_and_are_left_out() -> None:
    whole = bars(random_walk(24 * 40, seed=8), spread=0.002)
    holed = pl.concat([whole[:300], whole[310:]])
    moves = bar_moves(holed)
    assert len(moves.usable()[0]) == len(holed) - 2
    assert "1 bars after holes" in moves.window
    blocks = block_maxima(moves, DAY)
    assert len(blocks) == (300 - 1) // 24 + (len(holed) - 301) // 24
    high, close = whole["high"].to_numpy(), whole["close"].to_numpy()
    assert blocks[0] == pytest.approx(max(0.0, high[1:25].max() / close[0] - 1), rel=1e-12)


def test_a_book_of_one_is_the_contract_and_a_mix_lies_between() -> None:
    a, b = (bar_moves(bars(random_walk(24 * 60, seed=s), spread=0.003)) for s in (1, 2))
    one, left = book_moves([a], np.array([5.0]))
    assert isinstance(one, Moves) and left == ()
    np.testing.assert_array_equal(one.highs[1:], a.highs[1:])
    mix, left = book_moves([a, b], np.array([3.0, 1.0]))
    assert isinstance(mix, Moves) and left == ()
    np.testing.assert_allclose(mix.closes[1:], 0.75 * a.closes[1:] + 0.25 * b.closes[1:], rtol=1e-14)
    later = Moves(b.times + np.timedelta64(900, "D"), b.highs, b.closes, b.bar)
    apart, _ = book_moves([a, later], np.array([1.0, 1.0]))
    assert isinstance(apart, Unavailable)
    with pytest.raises(InputError, match="worth nothing"):
        book_moves([a, b], np.array([1.0, 0.0]))


def test_a_book_stands_for_its_young_and_is_read_on_its_coarsest_bars() -> None:
    long, short = walk(24 * 100), walk(24 * 40, seed=4)
    coarse = coarsened(walk(24 * 100, seed=5), 4 * HOUR)
    book, left = book_moves([long, short, coarse], np.array([1.0, 5.0, 1.0]))
    assert isinstance(book, Moves) and left == (1,) and book.bar == 4 * HOUR
    again, _ = book_moves([coarsened(long, 4 * HOUR), coarse], np.array([1.0, 1.0]))
    assert isinstance(again, Moves)
    np.testing.assert_array_equal(book.highs, again.highs)
    none, left = book_moves([walk(24 * 10)], np.array([1.0]))
    assert isinstance(none, Unavailable) and left == (0,)


def test_longer_bars_keep_the_top_and_the_end() -> None:
    times = np.datetime64("2024-01-01T00:00", "us") + np.arange(1, 9) * np.timedelta64(1, "h")
    closes = np.array([1.01, 0.99, 1.02, 1.0, 1.1, 0.9, np.nan, 1.0])
    moves = Moves(times, closes * 1.005, closes, timedelta(hours=1))
    long = coarsened(moves, timedelta(hours=4))
    assert len(long.closes) == 2
    assert long.closes[0] == pytest.approx(1.01 * 0.99 * 1.02)
    assert long.highs[0] == pytest.approx(1.01 * 0.99 * 1.02 * 1.005)
    assert np.isnan(long.closes[1])
    assert str(long.times[0])[:16] == "2024-01-01T04:00"


def test_nothing_later_reaches_the_rule() -> None:
    frame = bars(random_walk(24 * 200, seed=4), spread=0.01)
    cut = 24 * 120
    wild = pl.concat([frame[:cut], frame[cut:].with_columns(pl.col("high") * 50, pl.col("close") * 9)])
    at = frame["known_at"].dt.replace_time_zone(None).to_numpy()[cut - 1]
    rules = []
    for one in (frame, wild):
        methods, _ = standard_methods(bar_moves(one).before(at), RiseClass.ALT, PROMISE)
        rules.append(methods)
    assert rules[0] == rules[1]


def test_requirement_refuses_a_broken_method_and_counts_allowances() -> None:
    with pytest.raises(InputError, match="nan"):
        collateral_requirement("x", [Method(UpMove("m", math.nan, "", 0), lambda rise: 0.0)], PROMISE, 0.01)
    assert allowance(funding=0.018, fee=0.0005, haircut=0.01) == pytest.approx(0.0285)


def test_fan_rises_and_ends_at_the_bootstrap() -> None:
    moves = walk(24 * 90)
    fan = rise_fan(moves, DAY, levels=(0.5, 0.99), paths=1000, seed=7)
    assert isinstance(fan, RiseFan)
    assert fan.rises.shape == (2, 24) and fan.hours[-1] == 24.0
    assert (np.diff(fan.rises, axis=0) >= 0).all() and (np.diff(fan.rises, axis=1) >= 0).all()
    tops = slow_bootstrap(moves, evenly(rng(7).random((1000, 24))), 1 / 24)
    assert fan.rises[1, -1] == pytest.approx(np.quantile(tops, 0.99), rel=1e-12)
    assert isinstance(rise_fan(walk(24 * 10), DAY), Unavailable)


def real_moves(path: Path, bar: timedelta, least: timedelta) -> dict[str, Moves]:
    frame = pl.read_parquet(path).with_columns((pl.col("ts").cast(pl.Datetime("us", "UTC")) + bar).alias("known_at"))
    found = {}
    for (symbol,), part in frame.group_by(["symbol"], maintain_order=True):
        moves = bar_moves(part.unique("ts").sort("known_at"), bar)
        if moves.history >= least:
            found[str(symbol)] = moves
    return found


@pytest.mark.realdata
def test_mark_prices_ask_for_less_than_last_prices(real_data: Path) -> None:
    """The last price of ETH touched 323 on 2020-03-13 where the mark did not: its tail asks for several times more."""
    last = real_moves(real_data / "perp_1h_binance.parquet", HOUR, 900 * DAY)["ETH"]
    mark = real_moves(real_data / "mark_1h_binance.parquet", HOUR, 900 * DAY)["ETH"]
    at = np.datetime64(datetime(2021, 5, 18, tzinfo=UTC).replace(tzinfo=None), "us")
    asked = []
    for moves in (last, mark):
        found = bootstrap_rise(moves.before(at), DAY, 0.01 / 30)
        assert isinstance(found, Method)
        asked.append(found.move)
    assert asked[0] > 2 * asked[1]
