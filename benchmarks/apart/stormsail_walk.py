"""Stormsail: ``walk`` from prepared books, ``replay`` from the course, or ``sweep`` with a number of threads."""

from __future__ import annotations

import sys

import numpy as np

from benchmarks import arena
from benchmarks.apart.child import obey
from stormsail.lab import _kernels as kernels
from stormsail.lab.account import open_books
from stormsail.lab.replay import replay, rule_of
from stormsail.lab.sweep import sweep

market, accounts = arena.course(), arena.accounts()
held, wanted = arena.holdings(market), arena.targets(market)


def walk(policy: str) -> object:
    """The compiled walk alone."""
    books = open_books(market, accounts)
    rule = rule_of(market, books, arena.POLICIES[policy], np.asfortranarray(wanted), 0.05)
    rows, paid = np.zeros((1 << 17, 8), np.int64), np.zeros((int(books.tape.settles.max()) + 1, arena.COINS), np.int64)

    def once() -> None:
        state = kernels.State(*(part.copy() for part in books.state))
        code, *_ = kernels.walk(0, arena.HOURS - 1, books.tape, books.terms, rule, state, paid, rows, 0)
        assert code == kernels.DONE

    return once


def main() -> None:
    """Obey."""
    what, word = sys.argv[1:3]
    if what == "walk":
        obey(walk(word), {})  # type: ignore[arg-type]  # returns nothing, so all of it counts
    elif what == "replay":
        policy = arena.POLICIES[word]
        obey(lambda: replay(market, accounts, held, lambda now: wanted, policy) and None, {})
    else:
        settings = arena.settings()
        obey(lambda: sweep(market, accounts, held, wanted, settings, threads=int(word)) and None, {})


main()
