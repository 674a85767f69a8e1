"""Nothing is made and nothing is lost: sums of the ledger against what is held, with everything happening at once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal as D

import numpy as np
import pytest
from numpy.random import Generator, Philox

from stormsail.lab.account import amount_of
from stormsail.lab.ledger import ACCOUNT, AMOUNT, CURRENCY, FLOW, ITEM, POSITION_FLOWS, STEP, UNITS, Flow
from stormsail.lab.replay import Gain, Replay, Turn, replay
from stormsail.lab.result import attribute, paths
from stormsail.lab.shock import Deleveraged, Frozen, Shock, VenueGone
from stormsail.watch.policy import AfterLoss, Ladder, Lost, Policy, Roll, Switch
from tests.lab.generated import VENUES, Case, case

CASES = 240


def busy(seed: int) -> Replay:
    """A generated case with a ladder, sales, shocks, transfers, a new plan, interest and a tax."""
    return busy_with(case(seed), seed)


def busy_with(given: Case, seed: int) -> Replay:
    """The same with another course or targets in it."""
    draw, course = Generator(Philox(key=77_000 + seed)), given.course
    when = [course.moment(int(t)) for t in draw.integers(2, len(course.times), 4)]
    shocks: list[Shock] = []
    if draw.random() < 0.3:
        shocks.append(VenueGone(when[0], str(draw.choice(VENUES))))
    for venue in VENUES:
        if draw.random() < 0.3:
            shocks.append(Deleveraged(when[1], venue, float(draw.choice([0.2, 1.0])), 0.03,
                                      ranked=bool(draw.random() < 0.5)))  # fmt: skip
    shocks.append(Frozen(min(when[2:]), max(when[2:]) + timedelta(hours=1)))
    ladder = Ladder(warn=0.35, top_up=0.5, top_up_to=0.3, reduce=0.7, reduce_to=0.4, close=0.9, withdraw=0.05,
                    latency=timedelta(hours=int(draw.integers(0, 5))), with_spot=bool(draw.random() < 0.4),
                    move=bool(draw.random() < 0.5))  # fmt: skip
    then = Lost(str(draw.choice(["rehedge", "sell", "nothing"])))
    switch = Switch(hold=timedelta(hours=2)) if draw.random() < 0.3 else None
    policy = Policy(given.rebalance, ladder, Roll(timedelta(hours=4), 3), switch, AfterLoss(then, timedelta(hours=1)))
    held = {"BTC": D("5.00000001"), "ETH": D("80")}
    for account in given.accounts:
        for coin in held:
            held[coin] += account.deposit.get(coin, D(0))
    turns = [Turn(int(t), {a.name: sum(a.deposit.values(), D(0)) for a in given.accounts}, "a new plan")
             for t in draw.integers(1, len(course.times), int(draw.integers(0, 2)))]  # fmt: skip

    def aim(coins: dict[str, D]) -> np.ndarray:
        return given.target * float(coins["BTC"] / held["BTC"])

    def taxed(gain: Gain) -> D:
        return max(gain.amount, D(0)) * D("0.2")

    return replay(
        course, given.accounts, held, aim, policy, shocks=shocks, turns=turns, half_width=given.half_width,
        reserve={"USDT": D(20_000), "BTC": D("0.5")}, transfer_cost=D(1),
        interest={"USDT": D("0.08"), "BTC": D("0.02")}, tax=taxed if draw.random() < 0.3 else None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs() -> list[Replay]:
    return [busy(seed) for seed in range(CASES)]


def test_every_currency_is_conserved_to_the_last_unit(runs: list[Replay]) -> None:
    for run in runs:
        rows, many = run.ledger, len(run.books.accounts)
        held = np.vstack([run.books.state.cash, run.wallet]).astype(object)
        booked = np.zeros_like(held)
        for row in rows.tolist():
            booked[row[ACCOUNT], row[CURRENCY]] += row[AMOUNT]
        for s, i in np.argwhere(run.paid).tolist():
            booked[run.books.account_of(i), run.books.terms.currency[i]] += int(run.paid[s, i])
        assert (booked == held).all()
        assert many == len(held) - 1


def test_contracts_and_coins_are_conserved(runs: list[Replay]) -> None:
    for run in runs:
        rows = run.ledger
        for i in range(len(run.books.legs)):
            moved = rows[np.isin(rows[:, FLOW], POSITION_FLOWS) & (rows[:, ITEM] == i)]
            assert int(moved[:, UNITS].sum()) == int(run.books.state.lots[i])
        for k, coin in enumerate(run.course.coins):
            sold = rows[(rows[:, FLOW] == Flow.SPOT) & (rows[:, ITEM] == k), UNITS].sum()
            start = run.holdings[coin] - run.pledged.get(coin, D(0))
            assert run.coins[coin] == start + D(int(sold)).scaleb(-8)
            assert run.coins[coin] >= 0


def test_transfers_cancel(runs: list[Replay]) -> None:
    for run in runs:
        sent = run.ledger[run.ledger[:, FLOW] == Flow.TRANSFER]
        for c in range(len(run.course.currencies)):
            assert sent[sent[:, CURRENCY] == c, AMOUNT].sum() == 0


def test_nothing_is_spent_that_is_not_there(runs: list[Replay]) -> None:
    """Only a tax may leave the holder's own cash in debt; a dead account holds nothing."""
    for run in runs:
        if not (run.ledger[:, FLOW] == Flow.TAX).any():
            assert (run.wallet >= 0).all()
        for a in np.flatnonzero(run.books.state.dead):
            assert (run.books.state.cash[a] == 0).all()


def test_the_parts_add_up_to_the_change_of_equity(runs: list[Replay]) -> None:
    for run in runs:
        parts = attribute(run)
        assert parts.total == parts.change


def test_paths_end_where_the_account_does(runs: list[Replay]) -> None:
    for run in runs:
        found = paths(run)
        state, last = run.books.state, len(run.course.times) - 1
        assert (found.lots[-1] == state.lots).all()
        for c, currency in enumerate(run.course.currencies):
            cash = [float(amount_of(int(units), currency)) for units in (*state.cash[:, c], run.wallet[c])]
            assert found.cash[-1, :, c] == pytest.approx(cash, rel=1e-12, abs=1e-9)
        change = float(attribute(run).change)
        scale = float(np.abs(found.hedged).max()) + float(np.abs(found.cash[-1] @ run.course.worth[last]).sum())
        assert found.hedged[-1] - found.hedged[0] + _at_start(run, found.hedged[0]) == pytest.approx(
            change, abs=1e-9 * scale
        )


def _at_start(run: Replay, first: float) -> float:
    """What the first bar's own trades cost: equity before them is the coins alone."""
    return first - sum(
        float(run.holdings[coin] - run.pledged.get(coin, D(0))) * float(run.course.spot[0, k])
        for k, coin in enumerate(run.course.coins)
    ) - sum(
        float(q) * float(run.course.worth[0, run.course.currencies.index(coin)]) for coin, q in run.pledged.items()
    )  # fmt: skip


def test_everything_happened(runs: list[Replay]) -> None:
    flows: Counter[int] = Counter()
    events: Counter[str] = Counter()
    for run in runs:
        flows.update(set(run.ledger[:, FLOW].tolist()))
        events.update({line.what for line in run.log})
    for flow in Flow:
        if flow is not Flow.FUNDING:
            assert flows[flow] > 2, flow.name
    for what in ("warn", "top-up", "arrived", "trade", "liquidation", "deleveraged", "venue gone", "sold", "withdraw",
                 "expired", "delisted", "plan", "halt", "naked"):  # fmt: skip
        assert events[what] > 1, what


def test_rows_never_go_back_in_time(runs: list[Replay]) -> None:
    for run in runs:
        assert (np.diff(run.ledger[:, STEP]) >= 0).all()
