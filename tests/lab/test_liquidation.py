"""What a liquidation leaves, by hand and by each venue's rule; deleveraging by rank."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal as D

import numpy as np
import pytest

from stormsail.core import Trouble
from stormsail.lab.account import Leg, MarginAccount
from stormsail.lab.ledger import FLOW, Flow
from stormsail.lab.replay import Replay, replay
from stormsail.lab.result import attribute
from stormsail.lab.shock import Deleveraged
from stormsail.margin.tiers import build_table
from stormsail.watch.policy import HOLD
from tests.lab.courses import contract, course, leg


def short(
    venue: str, high: float, *, deposit: str = "1000", units: str = "3", given: Leg | None = None
) -> Replay:  # fmt: skip
    """Three ETH short at 3,000 with 1,000 behind them; one bar later the mark has been at ``high``."""
    eth = given.contract if given else contract("ETH", venue=venue)
    market = course({eth: [3000.0, 3000.0, 3000.0]}, high={eth: [3000.0, high, 3000.0]})
    account = MarginAccount("a", venue, (given or leg(eth),), {"USDT": D(deposit)}, currency="USDT")
    lots = -float(D(units) / eth.lot)
    return replay(market, [account], {}, lambda coins: np.full((3, 1), lots), HOLD)


def left(run: Replay) -> float:
    return float(run.books.state.cash[0, 0]) / 1e6


def test_it_lives_below_the_price_and_dies_at_it() -> None:
    # 1000 + 3 (3000 - p) = 0.05 * 3 p  at  p = 10000 / 3.15 = 3174.603
    assert not short("dydx", 3174.60).log
    assert short("dydx", 3174.61).log[0].what == "liquidation"


def test_all_at_market_for_the_largest_penalty() -> None:
    price = 10_000 / 3.15
    assert left(short("dydx", 3500.0)) == pytest.approx(10_000 - 3 * price - 0.015 * 3 * price, abs=1e-2)


def test_the_price_is_on_the_way_to_the_high_and_not_the_high() -> None:
    assert left(short("dydx", 3200.0)) == pytest.approx(left(short("dydx", 4000.0)), abs=1e-2)


def test_taken_over_by_the_fund() -> None:
    """One bracket only: nothing lower to fall to, so the fund takes it, and all that was left."""
    run = short("binance", 3500.0)
    assert left(run) == 0.0
    assert run.books.state.lots[0] == 0


def test_down_to_a_lower_bracket() -> None:
    """A bracket lower the requirement is a tenth: a part is closed, the rest stands."""
    eth = contract("ETH", venue="binance")
    table = build_table(eth.id, date(2020, 1, 1), [(D(6000), D("0.01"), D(50)), (D(10**9), D("0.2"), D(4))], "by hand")
    run = short("binance", 3100.0, given=Leg(eth, table, D(0), most=D(100)))
    assert -30 < run.books.state.lots[0] < 0
    assert "kept in part" in run.log[0].reason
    assert run.findings[-1].trouble is Trouble.NAKED
    # the fee is the fund's 1.25 % of what was closed
    rows = run.ledger[run.ledger[:, FLOW] == Flow.LIQUIDATION].tolist()
    assert rows[1][5] == pytest.approx(-0.0125 * -rows[0][5], rel=1e-6)


def test_where_the_rule_was_not_read_nothing_is_left_and_that_is_said() -> None:
    run = short("gate", 3500.0)
    assert left(run) == 0.0
    assert any(f.subject == "liquidation a" and f.trouble is Trouble.UNAVAILABLE for f in run.findings)


def test_a_gap_through_bankruptcy_is_the_funds() -> None:
    """The close before is worth liquidating already: what is owed beyond the collateral the fund pays, in a row."""
    eth = contract("ETH", venue="dydx")
    market = course({eth: [3000.0, 4000.0, 4000.0]}, high={eth: [3000.0, 4000.0, 4000.0]})
    jump = replace(market, high=np.array([[3000.0], [3000.0], [4000.0]]), mark=np.array([[3000.0], [3000.0], [4000.0]]))
    account = MarginAccount("a", "dydx", (leg(eth),), {"USDT": D(1000)}, currency="USDT")
    run = replay(jump, [account], {}, lambda coins: np.full((3, 1), -30.0), HOLD)
    assert left(run) >= 0
    assert attribute(run).total == attribute(run).change
    pegged = course({eth: [3000.0] * 3}, worth={"USDT": [1.0, 1.0, 1.0]})
    assert not replay(pegged, [account], {}, lambda coins: np.full((3, 1), -30.0), HOLD).log


def test_the_largest_requirement_goes_first() -> None:
    big, small = contract("BIG", venue="dydx"), contract("SMALL", venue="dydx")
    market = course({big: [100.0] * 3, small: [100.0] * 3}, high={big: [100.0, 112.0, 100.0]})
    account = MarginAccount("a", "dydx", (leg(small), leg(big)), {"USDT": D(160)}, currency="USDT")
    run = replay(market, [account], {}, lambda coins: np.tile([-50.0, -100.0], (3, 1)), HOLD)
    assert run.books.state.lots.tolist() == [-50, 0]


def test_a_long_dies_at_its_low() -> None:
    eth = contract("ETH", venue="dydx")
    market = course({eth: [3000.0, 3000.0, 3000.0]})
    market = replace(market, low=np.array([[3000.0], [2500.0], [3000.0]]))
    account = MarginAccount("a", "dydx", (leg(eth),), {"USDT": D(1000)}, currency="USDT")
    run = replay(market, [account], {}, lambda coins: np.full((3, 1), 30.0), HOLD)
    assert [line.what for line in run.log] == ["liquidation"]
    # 1000 - 3 (3000 - p) = 0.05 * 3 p  at  p = 8000 / 2.85
    price = 8_000 / 2.85
    assert left(run) == pytest.approx(1000 - 3 * (3000 - price) - 0.045 * price, abs=1e-2)


def test_portfolio_margin_dies_earlier() -> None:
    eth = contract("ETH", venue="dydx")
    market = course({eth: [3000.0] * 3}, high={eth: [3000.0, 3170.0, 3000.0]})
    plain = MarginAccount("a", "dydx", (leg(eth),), {"USDT": D(1000)}, currency="USDT")
    assert not replay(market, [plain], {}, lambda coins: np.full((3, 1), -30.0), HOLD).log
    # 10000 - 3 p = 1.05 * 0.15 p  at  p = 3167.06
    run = replay(market, [replace(plain, trigger=D("1.05"))], {}, lambda coins: np.full((3, 1), -30.0), HOLD)
    assert run.log[0].what == "liquidation"


def test_a_haircut_counts_the_whole_balance_and_not_the_proceeds_of_the_short() -> None:
    """USDT at 0.5: of 2,000 posted the open loss is taken before the cut."""
    eth = contract("ETH", venue="dydx")
    market = course({eth: [3000.0] * 3}, high={eth: [3000.0, 3200.0, 3000.0]})
    account = MarginAccount("a", "dydx", (leg(eth),), {"USDT": D(2000)}, {"USDT": 0.5})
    run = replay(market, [account], {}, lambda coins: np.full((3, 1), -30.0), HOLD)
    # 0.5 (11000 - 3 p) = 0.15 p  at  p = 3333.3
    assert not run.log
    high = course({eth: [3000.0] * 3}, high={eth: [3000.0, 3334.0, 3000.0]})
    assert replay(high, [account], {}, lambda coins: np.full((3, 1), -30.0), HOLD).log[0].what == "liquidation"


@pytest.mark.parametrize(("ranked", "expected"), [(False, [-50, -50]), (True, [-100, 0])])
def test_deleveraging_takes_the_top_of_the_ranking_first(ranked: bool, expected: list[int]) -> None:
    """Both shorts are worth the same at the end; the second fell from further up, so it has the larger profit share."""
    calm, deep = contract("CALM", venue="bybit"), contract("DEEP", venue="bybit")
    market = course({calm: [110.0, 100.0, 100.0], deep: [200.0, 100.0, 100.0]})
    account = MarginAccount("a", "bybit", (leg(calm), leg(deep)), {"USDT": D(5000)}, currency="USDT")
    shock = Deleveraged(market.moment(1), "bybit", 0.5, 0.02, ranked=ranked)
    run = replay(market, [account], {}, lambda coins: np.full((3, 2), -100.0), HOLD, shocks=[shock])
    assert run.books.state.lots.tolist() == expected
    # a hundred lots of 0.1 are bought back 2 % above 100
    assert float(attribute(run).deleveraging) == pytest.approx(-20.0)


def test_unranked_where_the_venue_does_not_say() -> None:
    coin = contract("A", venue="gate")
    market = course({coin: [110.0, 100.0]})
    account = MarginAccount("a", "gate", (leg(coin),), {"USDT": D(5000)}, currency="USDT")
    shock = Deleveraged(market.moment(1) - timedelta(0), "gate", 0.5, ranked=True)
    run = replay(market, [account], {}, lambda coins: np.full((2, 1), -100.0), HOLD, shocks=[shock])
    assert run.books.state.lots.tolist() == [-50]
    assert any("hit alike" in f.cure for f in run.findings)
