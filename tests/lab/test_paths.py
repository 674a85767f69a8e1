"""First passage: a twin bit for bit, closed forms, an independent simulation, sums that do not depend on the cut."""

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stormsail.core import Contract, InputError, Payoff, Tenor
from stormsail.forecast.garch import GarchFit, simulate_max_rise
from stormsail.lab.envelope import Envelope
from stormsail.lab.paths import (
    Funding,
    Ladder,
    Outcomes,
    Partial,
    PassageSpec,
    merge,
    merge_all,
    outcomes,
    run,
    simulate,
)
from stormsail.lab.random import words
from stormsail.lab.walk import Walk
from stormsail.margin.account import Position, common_rise
from stormsail.margin.liquidation import isolated
from stormsail.margin.tiers import build_table
from tests.lab.test_random import depth_twin, exp2_twin, log2_twin, normals_twin, students_twin, turn_twin

f = np.float32
FLAT = Envelope.flat(0.01)
GARCH = Walk(2e-4, omega=2e-6, alpha=0.06, leverage=-0.02, beta=0.93, nu=4.0)
EVERYTHING = PassageSpec(
    replace(GARCH, drift=1e-4, jumps=0.05, jump_mean=0.01, jump_sd=0.04),
    50,
    0.25,
    Envelope((0.01, 0.02, 0.05), (0.0, 0.012, 0.06)),
    Funding(8, 1e-4, 0.01, 0.003),
    Ladder(0.3, 0.1, 3, 2),
    seed=2**40 + 17,
    stream=5,
)
TABLE = build_table(
    "x", date(2024, 1, 1),
    [(Decimal(c), Decimal(r), Decimal(10)) for c, r in (("50000", "0.01"), ("100000", "0.02"), ("1e12", "0.1"))],
    "test",
)  # fmt: skip


def exp_twin(x: np.ndarray) -> np.ndarray:
    whole, rest = exp2_twin(np.clip(x, f(-80), f(80)) * f(1.44269504))
    return whole + whole * rest


def level_twin(wallet: np.ndarray, parts: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    roots = parts[:, None] * (f(1) + wallet) + shifts[:, None]
    return f(0.693147181) * log2_twin(np.maximum(roots.min(axis=0), f(1e-30)))


def twin(spec: PassageSpec, start: int, count: int) -> Outcomes:
    """The same walk in NumPy, all paths at once, with the same operations in the same order."""
    w, n = spec.walk, count
    x, cash, last = np.zeros(n, f), np.zeros(n, f), np.zeros(n, f)
    h, gap = np.full(n, f(w.variance)), np.full(n, f(1e30))
    plain, topped, tops, due = np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.int32), np.full(n, -1)
    rates, ded = np.array(spec.envelope.rates), np.array(spec.envelope.deductions)
    part, ladder = 1 / (1 + rates), spec.ladder
    lines = part.astype(f), (part * (spec.collateral + ded)).astype(f)
    share = (ladder.warn if ladder else 0.5) / ((ladder.warn if ladder else 0.5) + rates)
    over = ded / ((ladder.warn if ladder else 0.5) + rates)
    asks = share.astype(f), (share * spec.collateral + over).astype(f)
    amount = f(ladder.amount if ladder else 0)
    jump_levels = [min(2**32 - 1, round(stats.poisson.cdf(k, w.jumps) * 2**32)) for k in range(4)]
    for t in range(spec.steps):
        here = (due == t) & (topped == 0)
        tops[here] += 1
        due[here] = -1
        wallet = cash + amount * tops.astype(f)
        alone, level, warn = level_twin(cash, *lines), level_twin(wallet, *lines), level_twin(wallet, *asks)
        drawn = words(spec.seed, spec.stream, start, n, t // 2, purpose=0)[2 * (t % 2) :]
        if math.isinf(w.nu):
            z, mixed = normals_twin(drawn[0], drawn[1]), np.ones(n, f)
        else:
            z, mixed = students_twin(drawn[0], drawn[1], w.nu)
        shock = np.sqrt(h) * z
        var, old = h * mixed, x
        x = x + (f(w.drift) + shock)
        if w.moving:
            weight = f(w.alpha) + np.where(shock < 0, f(w.leverage), f(0))
            h = np.minimum(f(w.omega) + weight * (shock * shock) + f(w.beta) * h, f(max(w.ceiling, w.variance)))
        high = x
        if w.bridge:
            u = words(spec.seed, spec.stream, start, n, t // 4, purpose=1)[t % 4]
            move = x - old
            if math.isinf(w.nu):
                spread = f(1.38629436) * (var * depth_twin(u))
            else:
                whole, rest = exp2_twin(depth_twin(u) * f(2 / (w.nu + 2)))
                spread = var * (whole * rest + (whole - f(1)))
            high = f(0.5) * (old + x + np.sqrt(move * move + spread))
        if w.jumps:
            drawn = words(spec.seed, spec.stream, start, n, t, purpose=2)
            k = sum((drawn[0] >= limit).astype(f) for limit in jump_levels)
            z = np.sqrt(f(1.38629436) * depth_twin(drawn[1])) * turn_twin(drawn[2])
            x = x + (k * f(w.jump_mean) + np.sqrt(k) * f(w.jump_sd) * z)
            high = np.maximum(x, high)
        plain[(plain == 0) & (alone - high <= 0)] = t + 1
        left = level - high
        gap = np.where((topped == 0) & (left < gap), left, gap)
        topped[(topped == 0) & (left <= 0)] = t + 1
        if ladder:
            due[(high >= warn) & (topped == 0) & (due < 0) & (tops < ladder.most)] = t + 1 + ladder.latency
        paid = spec.funding
        if paid and (t + 1) % paid.every == 0:
            rate = np.clip(f(paid.rate) + f(paid.slope) * (x - last), -f(paid.cap), f(paid.cap))
            cash, last = cash + rate * exp_twin(x), x
    return Outcomes(plain, topped, tops, gap, x, cash)


SPECS = {
    "everything": EVERYTHING,
    "normal": PassageSpec(Walk(1e-3, nu=math.inf), 30, 0.2, FLAT),
    "no bridge": PassageSpec(Walk(1e-3, nu=5.0, bridge=False), 30, 0.2, FLAT),
    "garch": PassageSpec(GARCH, 31, 0.2, FLAT, Funding(3, -1e-3)),
    "ladder at once": PassageSpec(Walk(1e-3, nu=3.0), 30, 0.15, FLAT, None, Ladder(0.2, 0.05, 2)),
}


@pytest.mark.parametrize("name", SPECS)
def test_kernel_equals_a_numpy_twin_bit_for_bit(name: str) -> None:
    spec = SPECS[name]
    found, wanted = outcomes(spec, 1_000, 3_000), twin(spec, 1_000, 3_000)
    for part in ("plain", "topped", "tops"):
        np.testing.assert_array_equal(getattr(found, part), getattr(wanted, part), part)
    for part in ("headroom", "price", "cash"):
        np.testing.assert_array_equal(getattr(found, part).view(np.int32), getattr(wanted, part).view(np.int32), part)
    assert found.plain.any()
    if spec.ladder:
        assert (found.plain != found.topped).any()


def same(one: Partial, other: Partial) -> bool:
    return one.spans == other.spans and all(
        np.array_equal(getattr(one, part), getattr(other, part))
        for part in ("plain", "topped", "tops", "headroom", "price", "cash")
    )


@settings(max_examples=15)
@given(st.lists(st.integers(1, 2_999), max_size=6, unique=True), st.randoms(use_true_random=False))
def test_any_cut_in_any_order_gives_the_same_bits(cuts: list[int], random: object) -> None:
    whole = run(EVERYTHING, 0, 3_000)
    ends = [0, *sorted(cuts), 3_000]
    parts = [run(EVERYTHING, a, b - a) for a, b in pairwise(ends)]
    random.shuffle(parts)  # type: ignore[attr-defined]  # a random.Random
    assert same(whole, merge_all(parts))
    while len(parts) > 1:  # as a tree, not as a chain
        parts = [reduce(merge, parts[i : i + 2]) for i in range(0, len(parts), 2)]
    assert same(whole, parts[0])


def test_threads_do_not_matter() -> None:
    one, three = simulate(EVERYTHING, 20_001, workers=1), simulate(EVERYTHING, 20_001, workers=3)
    assert same(one.counts, three.counts)
    assert one.counts.paths == 20_001


def test_what_does_not_belong_together_is_refused() -> None:
    part = run(EVERYTHING, 0, 10)
    with pytest.raises(InputError, match="counted twice"):
        merge(part, run(EVERYTHING, 9, 5))
    with pytest.raises(InputError, match="different simulations"):
        merge(part, run(replace(EVERYTHING, seed=1), 10, 5))
    with pytest.raises(InputError, match="at least one"):
        run(EVERYTHING, 0, 0)


def chance(spec: PassageSpec, paths: int = 100_000) -> tuple[float, float]:
    found = simulate(spec, paths, workers=2).liquidated
    assert found.error is not None
    return found.value, found.error


@pytest.mark.parametrize(("drift", "rise"), [(0.0, 0.2), (0.0, 0.5), (0.0004, 0.3), (-0.0004, 0.2)])
def test_bridge_gives_the_continuous_barrier(drift: float, rise: float) -> None:
    """``P = Phi((m T - b)/s) + exp(2 m b / s^2 per step) Phi((-m T - b)/s)`` (Harrison 1985, ch. 1)."""
    sd, steps = 0.01, 400
    spec = PassageSpec(Walk(sd**2, drift=drift), steps, rise, Envelope.flat(0.0))
    b, s, m = math.log1p(rise), sd * math.sqrt(steps), drift * steps
    wanted = stats.norm.cdf((m - b) / s) + math.exp(2 * m * b / s**2) * stats.norm.cdf((-m - b) / s)
    found, error = chance(spec)
    assert abs(found - wanted) < 3 * error
    coarse, error = chance(replace(spec, steps=4, walk=Walk(100 * sd**2, drift=100 * drift)))
    assert abs(coarse - wanted) < 3 * error  # exact with four steps too


@pytest.mark.parametrize("rise", [0.2, 0.35])
def test_looking_at_step_ends_only_follows_the_continuity_correction(rise: float) -> None:
    """The barrier moves by ``0.5826 sigma sqrt(dt)`` (Broadie, Glasserman & Kou 1997)."""
    sd, steps = 0.01, 400
    spec = PassageSpec(Walk(sd**2, bridge=False), steps, rise, Envelope.flat(0.0))
    wanted = 2 * stats.norm.sf((math.log1p(rise) + 0.5826 * sd) / (sd * math.sqrt(steps)))
    found, error = chance(spec)
    assert abs(found - wanted) < 3 * error
    assert abs(found - 2 * stats.norm.sf(math.log1p(rise) / (sd * math.sqrt(steps)))) > 5 * error


@pytest.mark.parametrize("nu", [2.5, 4.0, 10.0])
def test_one_step_has_the_tail_of_t(nu: float) -> None:
    sd = 0.02
    for rise in (0.05, 0.15):
        spec = PassageSpec(Walk(sd**2, nu=nu, bridge=False), 1, rise, Envelope.flat(0.0))
        wanted = stats.t.sf(math.log1p(rise) / sd * math.sqrt(nu / (nu - 2)), nu)
        found = simulate(spec, 400_000, workers=2).liquidated
        assert abs(found.value - wanted) < 3 * math.sqrt(wanted / 400_000)


def test_garch_variance_follows_its_recursion() -> None:
    walk = Walk(4e-4, omega=1e-6, alpha=0.05, leverage=0.04, beta=0.90, nu=8.0)
    steps, n = 60, 200_000
    x = outcomes(PassageSpec(walk, steps, 0.5, FLAT), 0, n).price.astype(np.float64)
    h, wanted = walk.variance, 0.0
    for _ in range(steps):
        wanted += h
        h = walk.omega + (walk.alpha + walk.leverage / 2 + walk.beta) * h
    squares = x**2
    assert abs(squares.mean() - wanted) < 3 * squares.std() / math.sqrt(n)
    assert squares.std() / math.sqrt(n) < 0.01 * wanted


def test_jumps_have_poisson_moments() -> None:
    walk = Walk(1e-12, jumps=0.2, jump_mean=0.03, jump_sd=0.05, bridge=False)
    steps, n = 20, 100_000
    x = outcomes(PassageSpec(walk, steps, 0.5, FLAT), 0, n).price.astype(np.float64)
    assert abs(x.mean() - 4 * 0.03) < 3 * x.std() / math.sqrt(n)
    wanted = 4 * (0.03**2 + 0.05**2)
    assert abs(x.var() - wanted) < 3 * ((x - x.mean()) ** 2).std() / math.sqrt(n)
    assert abs((np.abs(x) < 2e-5).mean() - math.exp(-4)) < 0.002  # paths without any jump


def independent(spec: PassageSpec, n: int, seed: int) -> tuple[float, float, float]:
    """Chances without and with top-ups and mean top-ups, path by path in double precision with NumPy's generator.

    The account is kept as an account: balance against maintenance at every high, no barrier solved for.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    w, paid, ladder = spec.walk, spec.funding, spec.ladder
    assert paid
    assert ladder
    died, saved, used = np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, int)
    x, last, h, cash = np.zeros(n), np.zeros(n), np.full(n, w.variance), np.zeros(n)
    due = np.full(n, -1)
    rates, ded = np.array(spec.envelope.rates)[:, None], np.array(spec.envelope.deductions)[:, None]
    for t in range(spec.steps):
        used += (due == t) & ~saved
        due[due == t] = -1
        shock = np.sqrt(h) * rng.standard_t(w.nu, n) * math.sqrt((w.nu - 2) / w.nu)
        x = x + w.drift + shock
        h = np.minimum(w.omega + (w.alpha + w.leverage * (shock < 0)) * shock**2 + w.beta * h, 1.0)
        k = rng.poisson(w.jumps, n)
        x = x + k * w.jump_mean + np.sqrt(k) * w.jump_sd * rng.standard_normal(n)
        price = np.exp(x)
        needed = np.maximum((rates * price - ded).max(axis=0), 0.0)
        balance = spec.collateral + cash + 1 - price
        died |= balance <= needed
        saved |= balance + ladder.amount * used <= needed
        thin = needed >= ladder.warn * (balance + ladder.amount * used)
        due[thin & ~saved & (due < 0) & (used < ladder.most)] = t + 1 + ladder.latency
        if (t + 1) % paid.every == 0:
            cash = cash + np.clip(paid.rate + paid.slope * (x - last), -paid.cap, paid.cap) * price
            last = x
    return float(died.mean()), float(saved.mean()), float(used.mean())


def test_an_independent_account_agrees_within_the_errors() -> None:
    spec = replace(EVERYTHING, walk=replace(EVERYTHING.walk, bridge=False), steps=100)
    n = 100_000
    ours = simulate(spec, n, workers=2)
    died, saved, used = independent(spec, n, 3)
    for found, wanted in ((ours.liquidated_without, died), (ours.liquidated, saved)):
        assert found.error is not None
        assert abs(found.value - wanted) < 3 * math.sqrt(2) * found.error
    tops = ours.counts.tops
    mean = float(np.arange(len(tops)) @ tops) / n
    spread = math.sqrt(float(np.arange(len(tops)) ** 2 @ tops) / n - mean**2)
    assert abs(mean - used) < 3 * math.sqrt(2) * spread / math.sqrt(n)
    assert ours.liquidated_without.value > ours.liquidated.value + 0.02  # the ladder is seen to do something


@pytest.mark.parametrize("nu", [2.5, 4.0])
def test_the_bridge_of_a_t_step_is_that_of_the_mixture(nu: float) -> None:
    """Against steps whose normal has its mixing variance drawn, and its bridge with it."""
    sd, steps, rise, n = 0.02, 50, 0.2, 200_000
    rng = np.random.Generator(np.random.PCG64(1))
    x, high = np.zeros(n), np.zeros(n)
    for _ in range(steps):
        v = sd**2 * (nu - 2) / 2 / rng.standard_gamma(nu / 2, n)
        new = x + np.sqrt(v) * rng.standard_normal(n)
        high = np.maximum(high, 0.5 * (x + new + np.sqrt((new - x) ** 2 + 2 * v * rng.standard_exponential(n))))
        x = new
    wanted = float((high >= math.log1p(rise)).mean())
    spec = PassageSpec(Walk(sd**2, nu=nu), steps, rise, Envelope.flat(0.0))
    found, error = chance(spec, n)
    assert abs(found - wanted) < 3 * math.sqrt(2) * error
    ends, _ = chance(replace(spec, walk=Walk(sd**2, nu=nu, bridge=False)), n)
    assert ends < wanted - 8 * error


def test_a_still_market_by_hand() -> None:
    still = Walk(1e-16, bridge=False)
    spec = PassageSpec(still, 24, 0.1, FLAT, Funding(8, 2e-3))
    assert outcomes(spec, 0, 4).cash == pytest.approx(3 * 2e-3, abs=1e-7)
    rising = replace(still, drift=0.01)  # barrier ln(1.1 / 1.01) = 0.0853: crossed with the ninth step
    assert outcomes(replace(spec, walk=rising, funding=None), 0, 4).plain.tolist() == [9] * 4
    # warned where 0.01 S >= 0.2 (1.1 - S), S = 1.0476, with step 5; asked for at its end, there from step 8 on
    ladder = Ladder(0.2, 0.05, 1, 2)
    found = outcomes(replace(spec, walk=rising, funding=None, ladder=ladder), 0, 4)
    assert found.tops.tolist() == [1] * 4
    assert found.topped.tolist() == [math.ceil(math.log(1.15 / 1.01) / 0.01)] * 4 == [13] * 4
    late = outcomes(replace(spec, walk=rising, funding=None, ladder=replace(ladder, latency=4)), 0, 4)
    assert late.tops.tolist() == [0] * 4  # asked for in time, there one step too late
    assert late.topped.tolist() == [9] * 4
    capped = PassageSpec(rising, 8, 5.0, FLAT, Funding(8, 0.0, 1.0, 0.003))
    assert outcomes(capped, 0, 1).cash == pytest.approx(0.003 * math.exp(0.08), rel=1e-6)


@settings(max_examples=25)
@given(
    st.floats(0.005, 0.05), st.floats(2.2, 30), st.floats(0.05, 0.6), st.floats(0.05, 0.9), st.floats(0.02, 0.3),
    st.integers(1, 4), st.integers(0, 10),
)  # fmt: skip
def test_more_money_never_hurts(
    sd: float, nu: float, collateral: float, warn: float, amount: float, most: int, latency: int
) -> None:
    spec = PassageSpec(Walk(sd**2, nu=nu), 40, collateral, FLAT, None, Ladder(warn, amount, most, latency))
    found = outcomes(spec, 0, 600)
    never = 2**30
    alone, topped = np.where(found.plain == 0, never, found.plain), np.where(found.topped == 0, never, found.topped)
    assert (topped >= alone).all()
    assert found.tops.max() <= most
    richer = outcomes(replace(spec, collateral=collateral + 0.1), 0, 600)
    assert (np.where(richer.plain == 0, never, richer.plain) >= alone).all()
    assert ((found.headroom <= 0) == (found.topped > 0)).all()


def contract(fee: str = "0") -> Contract:
    d = Decimal
    return Contract(
        "v", "X", "X", "USDT", Tenor.PERPETUAL, Payoff.LINEAR, d(1), d("0.001"), d("1e-9"), d(1), d(0), d(fee)
    )


@given(st.floats(1e3, 5e5), st.floats(0.05, 2.0), st.floats(0.0, 0.002))
def test_envelope_is_the_exact_liquidation_price(notional: float, collateral: float, fee: float) -> None:
    q, posted = Decimal(repr(round(notional, 3))), Decimal(repr(round(notional * collateral, 6)))
    end = isolated(contract(), -q, Decimal(1), posted, TABLE, fee=Decimal(repr(fee)))
    envelope = Envelope.of(TABLE, float(q), fee)
    assert envelope.barrier(float(posted / q)) == pytest.approx(float(end.price), rel=1e-8)


@given(st.lists(st.floats(1e3, 2e5), min_size=1, max_size=5), st.floats(0.05, 2.0))
def test_envelope_of_a_book_is_the_exact_common_rise(notionals: list[float], collateral: float) -> None:
    quantities = [Decimal(repr(round(n, 3))) for n in notionals]
    shorts = [Position(contract(), -q, Decimal(1), Decimal(1), TABLE) for q in quantities]
    whole = sum(quantities)
    wallet = whole * Decimal(repr(collateral))
    exact = common_rise(shorts, wallet)
    envelope = Envelope.of_book([TABLE] * len(shorts), [float(q) for q in quantities], [0.0] * len(shorts))
    assert envelope.barrier(collateral) == pytest.approx(float(exact) + 1, rel=1e-9)
    at = envelope.warning(collateral, 0.4)
    assert envelope.maintenance(at) == pytest.approx(0.4 * (collateral + 1 - at), rel=1e-9)


def test_figures_are_read_from_the_paths() -> None:
    n = 30_000
    found, each = simulate(EVERYTHING, n), outcomes(EVERYTHING, 0, n)
    assert found.liquidated.value == pytest.approx((each.topped > 0).mean())
    low, high = found.band
    assert low < found.liquidated.value < high
    hits = np.sort(each.topped[each.topped > 0])
    level = 0.5 * len(hits) / n
    assert found.step_of(level) == hits[math.ceil(level * n) - 1]
    assert found.step_of(1.0) is None
    assert found.top_ups(0.99) == np.sort(each.tops)[math.ceil(0.99 * n) - 1]
    for level in (0.05, 0.5, 0.95):
        price = float(np.exp(np.quantile(each.price, level, method="inverted_cdf")))
        assert 0.995 * price - 1e-9 <= found.price(level) <= price + 1e-9
        left = max(0.0, float(np.expm1(np.quantile(each.headroom, level, method="inverted_cdf"))))
        assert left - 0.0026 * (1 + left) <= found.headroom(level) <= left + 1e-9
        cash = float(np.quantile(each.cash, level, method="inverted_cdf"))
        assert cash - EVERYTHING.cash.width <= found.funding(level) <= cash


def test_a_fitted_model_walks() -> None:
    fit = GarchFit(1e-3, 1e-6, 0.05, 0.94, 5.0, 1e-4, 0.0, 1000, True)
    walk = Walk.of(fit)
    assert (walk.variance, walk.alpha, walk.beta, walk.nu, walk.drift) == (1e-4, 0.05, 0.94, 5.0, 0.0)
    normal = Walk.of(replace(fit, nu=math.inf))
    assert not normal.law().heavy


def test_the_simulation_behind_collateral_agrees() -> None:
    """The forecast room walks the same model in double precision with its own numbers."""
    fit = GarchFit(1e-3, 4e-6, 0.08, 0.90, 4.0, 3e-4, 0.0, 1000, True)
    steps, n = 24, 60_000
    rises = simulate_max_rise(fit, steps, n)
    for rise in (0.1, 0.2, 0.4):
        wanted = float((rises >= rise).mean())
        spec = PassageSpec(Walk.of(fit, bridge=False), steps, rise, Envelope.flat(0.0))
        found = simulate(spec, n, workers=2).liquidated.value
        assert abs(found - wanted) < 3 * math.sqrt(2 * wanted / n)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: Walk(0.0),
        lambda: Walk(1e-4, nu=2.0),
        lambda: Walk(1e-4, jumps=0.3),
        lambda: Walk(1e-4, alpha=0.01, leverage=-0.02),
        lambda: Walk(math.nan),
        lambda: Walk(1e-4, drift=math.inf),
        lambda: Funding(0),
        lambda: Ladder(1.0, 0.1, 1),
        lambda: Ladder(0.5, 0.0, 1),
        lambda: PassageSpec(Walk(1e-4), 0, 0.1, FLAT),
        lambda: PassageSpec(Walk(1e-4), 1, math.nan, FLAT),
        lambda: PassageSpec(Walk(1e-4), 1, 0.1, FLAT, seed=-1),
        lambda: Envelope((), ()),
        lambda: Envelope.of(TABLE, 0.0),
    ],
)
def test_nonsense_is_refused(bad: object) -> None:
    with pytest.raises(InputError):
        bad()  # type: ignore[operator]  # a thunk
