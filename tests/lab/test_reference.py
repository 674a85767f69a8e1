"""The compiled walk and its driver against the slow account, to the last unit, on generated accounts.

Some 1,600 accounts in 800 cases; ``STORMSAIL_ACCOUNT_CASES`` asks for more.
"""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest

from stormsail.lab.ledger import FLOW, Flow
from stormsail.lab.replay import Replay, replay
from stormsail.watch.policy import AfterLoss, Lost, Policy
from tests.lab.generated import Case, case
from tests.lab.reference import Book, Reference

BATCHES = 8
EACH = int(os.environ.get("STORMSAIL_ACCOUNT_CASES", "800")) // BATCHES


def kept(given: Case) -> tuple[Replay, Book]:
    """The same case kept by both."""
    policy = Policy(given.rebalance, ladder=None, roll=None, after_loss=AfterLoss(Lost.NOTHING))
    fast = replay(given.course, given.accounts, {}, lambda coins: given.target, policy, half_width=given.half_width)
    slow = Reference(
        given.course, given.accounts, given.target, given.rebalance, fast.books.digits, given.half_width
    ).run()  # fmt: skip
    return fast, slow


def same(fast: Replay, slow: Book) -> None:
    """Rows, funding and final state, to the last unit."""
    assert [tuple(row) for row in fast.ledger.tolist()] == slow.rows
    assert {(s, i): int(fast.paid[s, i]) for s, i in np.argwhere(fast.paid).tolist()} == slow.paid
    assert fast.books.state.lots.tolist() == [h.lots for h in slow.held]
    assert fast.books.state.entry.tolist() == [h.entry for h in slow.held]
    assert fast.books.state.cash.tolist() == slow.cash
    deaths = [fast.course.moment(t) for t, _, _ in slow.deaths]
    assert [h.when for h in fast.log if h.what == "liquidation"] == deaths


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_fast_account_is_the_slow_one(batch: int) -> None:
    for seed in range(batch * EACH, (batch + 1) * EACH):
        fast, slow = kept(case(seed))
        try:
            same(fast, slow)
        except AssertionError as error:
            raise AssertionError(f"generated case {seed}: {error}") from error


def test_the_generated_accounts_meet_everything() -> None:
    """What the test above proves something about did happen: every flow, and every way to end."""
    flows: Counter[int] = Counter()
    ends: Counter[str] = Counter()
    for seed in range(150):
        given = case(seed)
        policy = Policy(given.rebalance, ladder=None, roll=None, after_loss=AfterLoss(Lost.NOTHING))
        fast = replay(given.course, given.accounts, {}, lambda coins, g=given: g.target, policy,
                      half_width=given.half_width)  # fmt: skip
        flows.update(fast.ledger[:, FLOW].tolist())
        for line in fast.log:
            ends[f"{line.what} {'kept' if 'kept' in line.reason else ''}".strip()] += 1
    for flow in (Flow.TRADE, Flow.SLIPPAGE, Flow.FEE, Flow.DELIVERY, Flow.LIQUIDATION, Flow.REFUSED):
        assert flows[flow] > 10, flow
    assert ends["liquidation"] > 20
    assert ends["liquidation kept"] > 5
    assert ends["expired"] > 3
    assert ends["delisted"] > 3
