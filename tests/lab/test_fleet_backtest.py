import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stormsail.adapters.cluster.processes import Processes
from stormsail.adapters.files.fleet_runs_file import PARTS, RunFolder, runs_table
from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit import Tolerance
from stormsail.core import UnavailableError
from stormsail.lab.backtest import run as run_backtest
from stormsail.lab.course import record
from stormsail.lab.fleet import FleetShard
from stormsail.lab.fleet_backtest import Fate, FleetRun, RunFleet, Stage, figures_of, run_shard, set_stage
from stormsail.lab.fleet_backtest_full import RunInFull
from stormsail.lab.fleet_setup import FastPlan, holdings_of, set_up_fast
from stormsail.lab.forward import Forward
from stormsail.lab.replay import replay
from stormsail.lab.setup import contracts_of, set_up
from stormsail.lab.workers import Serial, gathered
from stormsail.market.source import MarketView
from stormsail.plan import make_plan
from stormsail.watch.named import POLICIES
from stormsail.watch.policy import HOLD, Policy
from tests.plan.market import AS_OF, PRICES, portfolio, source
from tests.support import MemorySource

START, END = AS_OF - timedelta(days=24), AS_OF + timedelta(days=12)
COINS = ("AAA", "BBB", "CCC", "DDD", "EEE")


def stage_of(market: MemorySource, end=END, **wish) -> Stage:
    return set_stage(
        market, Tolerance(**wish), start=START, end=end, every=timedelta(days=12), venues=load_venues(), coins=COINS
    )


@pytest.fixture(scope="module")
def stage() -> Stage:
    return stage_of(source())


def shard_of(many: int, cash: int = -1) -> FleetShard:
    rng = np.random.Generator(np.random.Philox(key=8))
    sizes = rng.integers(1, 6, many)
    symbol = np.concatenate([rng.permutation(5)[:n] for n in sizes])
    worth = np.array([PRICES[c] for c in COINS])
    return FleetShard(
        tuple(f"p{i}" for i in range(many)), np.concatenate([[0], np.cumsum(sizes)]), COINS, symbol,
        rng.lognormal(9, 0.5, len(symbol)) / worth[symbol], np.full(many, np.nan), np.full(many, cash), {},
    )  # fmt: skip


def one_shard(held: Mapping[str, float]) -> FleetShard:
    many = len(held)
    return FleetShard(
        tuple(held), np.arange(many + 1), tuple(held), np.arange(many), np.array(list(held.values())),
        np.full(many, np.nan), np.full(many, -1), {},
    )  # fmt: skip


def picked(shard: FleetShard, i: int) -> FleetShard:
    rows = slice(shard.start[i], shard.start[i + 1])
    return FleetShard(
        (shard.names[i],), shard.start[i : i + 2] - shard.start[i], shard.symbols, shard.symbol[rows],
        shard.quantity[rows], shard.coverage[i : i + 1], shard.collateral[i : i + 1], {},
    )  # fmt: skip


def test_the_same_orders_give_the_ledger_of_a_backtest_of_one() -> None:
    market = source()
    held = portfolio(market)
    moments = (START, START + timedelta(days=12))
    plans = [make_plan(held, MarketView(market, t), Tolerance(), venues=load_venues()) for t in moments]
    course = record(MarketView(market, END), contracts_of(plans), sorted(held.quantities()), start=START)
    theirs = set_up(plans, course)
    fast = [
        FastPlan(
            p.as_of, p.orders, p.coverage, {m.venue: ("USDT", m.collateral) for m in p.margins},
            {x.contract: x.table for m in p.margins for x in m.positions},
        )
        for p in plans
    ]  # fmt: skip
    narrow, mine = set_up_fast(fast, held.quantities(), course)
    found = [
        replay(c, s.accounts, s.holdings, s.aim, Policy(), sellable=s.sellable, turns=s.turns)
        for c, s in ((course, theirs), (narrow, mine))
    ]
    assert len(found[0].ledger) > 20
    np.testing.assert_array_equal(found[0].ledger, found[1].ledger)
    np.testing.assert_array_equal(found[0].paid, found[1].paid)


def test_parts_add_up_and_shards_do_not_matter(stage: Stage, tmp_path: Path) -> None:
    shard = shard_of(12)
    together = run_shard(stage, Policy(), shard)
    table = runs_table(together)
    assert table["status"].to_list() == ["ran"] * 12
    assert table.height == len(shard.names)
    assert table.select(pl.sum_horizontal(*PARTS) == pl.col("hedged")).to_series().all()
    assert (table["plans"] == 3).all()
    assert table["funding"].cast(pl.Float64).max() > 0 > table["fees"].cast(pl.Float64).max()
    for run in together:
        assert run.figures is not None
        assert run.figures.parts.total == pytest.approx(run.figures.parts.change, abs=Decimal("1e-20"))
    alone = [each for i in range(12) for each in RunFleet(stage, Policy())(picked(shard, i))]
    assert runs_table(alone).equals(table, null_equal=True)
    by_two = gathered(Processes(2), RunFleet(stage, Policy()), [picked(shard, i) for i in range(4)])
    assert runs_table([run for runs in by_two for run in runs]).equals(table.head(4), null_equal=True)
    for name, runs in (("a", together), ("b", tuple(alone))):
        folder = RunFolder(tmp_path / name)
        (tmp_path / name).mkdir()
        assert folder.folder.begin({"x": 1}) == frozenset()
        folder.write(0, runs)
        assert folder.folder.begin({"x": 1}) == {0}
    files = [tmp_path / name / "portfolios" / "000000.parquet" for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_unhedged_is_the_coins_alone_and_a_hedge_moves_against_them(stage: Stage) -> None:
    shard = shard_of(20)
    course = stage.course
    for i, run in enumerate(run_shard(stage, HOLD, shard)):
        assert run.figures is not None
        held = holdings_of(shard, i)
        column = [course.coins.index(c) for c in held]
        path = course.spot[:, column] @ np.array([float(q) for q in held.values()])
        assert run.figures.unhedged == pytest.approx(path[-1] - path[0], rel=1e-12)
        assert run.figures.value == pytest.approx(path[0], rel=1e-12)
        assert run.figures.fall_unhedged == pytest.approx((1 - path / np.maximum.accumulate(path)).max(), rel=1e-9)
        assert run.figures.fall_hedged < run.figures.fall_unhedged
        assert float(run.figures.parts.spot) == pytest.approx(run.figures.unhedged, rel=1e-9)


def test_what_cannot_be_run_is_a_row_with_the_reason(stage: Stage) -> None:
    held = {"AAA": 900.0, "AAX": 1.0, "USDT": 500.0, "BBB": math.nan, "CCC": -3.0}
    runs = run_shard(stage, Policy(), one_shard(held))
    assert [run.fate for run in runs] == [Fate.RAN, Fate.REFUSED, Fate.NOTHING, Fate.REFUSED, Fate.REFUSED]
    assert "did you mean AAA" in runs[1].reason
    assert runs[2].figures is not None
    assert runs[2].figures.parts.change == 0
    table = runs_table(runs)
    assert table["hedged"].is_null().to_list() == [False, True, False, True, True]


def test_nothing_of_later_is_seen() -> None:
    middle = START + timedelta(days=12)
    true, other = source(), source().scrambled_after(middle)
    mine, theirs = (stage_of(m, middle) for m in (true, other))
    shard = shard_of(4)
    assert runs_table(run_shard(mine, Policy(), shard)).equals(
        runs_table(run_shard(theirs, Policy(), shard)), null_equal=True
    )
    whole = stage_of(other)
    assert whole.decks[1].prices.tolist() == stage_of(true).decks[1].prices.tolist()
    assert whole.decks[2].prices.tolist() != stage_of(true).decks[2].prices.tolist()


def test_a_coin_without_a_price_at_the_start_is_left_out_and_the_rest_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from stormsail.lab import fleet_backtest

    def holed(view, contracts, coins, **options):
        if "BBB" in coins:
            raise UnavailableError("no price at the first moment", cure="check", where="BBB")
        return record(view, contracts, coins, **options)

    monkeypatch.setattr(fleet_backtest, "record", holed)
    found = stage_of(source())
    assert "BBB" not in found.course.coins
    shard = FleetShard(
        ("both", "none"), np.array([0, 2, 3]), ("AAA", "BBB"), np.array([0, 1, 1]), np.array([900.0, 2e4, 2e4]),
        np.full(2, np.nan), np.full(2, -1), {},
    )  # fmt: skip
    both, none = run_shard(found, Policy(), shard)
    assert (both.fate, none.fate) == (Fate.RAN, Fate.REFUSED)
    assert none.reason == "BBB left out: no price at the first moment"
    assert both.reason.endswith(none.reason)
    assert both.figures is not None
    assert both.figures.value == pytest.approx(900.0 * found.course.spot[0, found.course.coins.index("AAA")])


def test_cash_that_is_named_bounds_what_is_posted(stage: Stage) -> None:
    poor, rich = (run_shard(stage, Policy(), shard_of(4, cash)) for cash in (100_000, 10_000_000))
    for less, more in zip(poor, rich, strict=True):
        assert less.coverage < more.coverage


def test_a_reserve_is_an_amount_or_a_share_and_is_no_gain(stage: Stage) -> None:
    shard = shard_of(3)
    for plain, share in zip(run_shard(stage, HOLD, shard), run_shard(stage, HOLD, shard, 0.2), strict=True):
        assert plain.figures is not None
        assert share.figures is not None
        assert share.figures.parts.spot == plain.figures.parts.spot
        assert share.figures.fall_hedged < plain.figures.fall_hedged  # later plans are not short of cash
    lots = []
    for reserve in (None, 0.5):
        runs = run_shard(stage, Policy(), shard, reserve)
        lots.append(sum(run.figures.events.get("short of cash", 0) for run in runs if run.figures))
    assert lots[0] > lots[1] == 0
    lavish = run_shard(stage, Policy(), shard, Decimal(10**6))[0].figures
    assert lavish is not None
    assert runs[0].figures is not None
    assert lavish.parts == runs[0].figures.parts


def test_in_full_is_the_backtest_of_one() -> None:
    market, wish = source(), Tolerance(coverage=0.3)
    policy = replace(POLICIES["clock"], replan=timedelta(days=20))
    held = portfolio(market)
    rows = held.quantities()
    shard = FleetShard(
        ("p", "q"), np.array([0, len(rows), len(rows) + 1]), (*rows, "NONE"), np.arange(len(rows) + 1),
        np.array([*map(float, rows.values()), 1.0]), np.full(2, np.nan), np.full(2, -1), {},
    )  # fmt: skip
    found: tuple[FleetRun, ...] = RunInFull(market, wish, policy, START, END, load_venues)(shard)
    when = [START, START + timedelta(days=20)]
    first = make_plan(held, MarketView(market, when[0]), wish, venues=load_venues())
    second = make_plan(held, MarketView(market, when[1]), wish, venues=load_venues(), previous=first)
    alone = figures_of(run_backtest(Forward((first, second), ()), market, policy, end=END).replay)
    assert found[0].figures == alone
    assert found[1].fate is Fate.REFUSED
    assert "NONE" in found[1].reason


def test_a_later_moment_without_a_market_leaves_the_plans_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from stormsail.lab import fleet_backtest

    build = fleet_backtest.build_deck

    def broken(view, *args, **options):
        if view.as_of == START + timedelta(days=12):
            raise UnavailableError("no coin has a price", cure="wait", where="fleet")
        return build(view, *args, **options)

    monkeypatch.setattr(fleet_backtest, "build_deck", broken)
    found = stage_of(source())
    assert len(found.decks) == 2
    assert [str(f.trouble) for f in found.findings] == ["defer"]
    runs = gathered(Serial(), RunFleet(found, Policy()), [shard_of(2)])[0]
    assert [run.plans for run in runs] == [2, 2]
