"""Interest on what is owed, and the port a tax rule is called at."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np

from stormsail.core import times
from stormsail.lab.account import amount_of, quanta
from stormsail.lab.ledger import AMOUNT, CURRENCY, FLOW, ITEM, POSITION_FLOWS, STEP, UNITS, Flow, IntArray
from stormsail.lab.liquidation import nets
from stormsail.lab.run import RESERVE, SPOT_PLACES, Gain, Run

DAYS = 365


def midnights(run: Run) -> list[int]:
    """Bars that end a day of UTC, the first moment left out."""
    days = run.course.times.astype("datetime64[D]")
    return [int(t) for t in np.flatnonzero(np.diff(days.astype(np.int64)) > 0) + 1]


def charge_interest(run: Run, step: int) -> None:
    """A day's interest on what an account of several currencies owes in one of them, open profit counted, rounded up.

    Venues charge hourly or daily; one day at the debt of midnight is taken. Accounts in a single currency owe nothing:
    what they lack is their own loss.
    """
    for a in range(len(run.books.accounts)):
        if int(run.books.terms.alone[a]) >= 0 or run.books.state.dead[a]:
            continue
        marks = {i: int(run.books.tape.close[step, i]) for i in run.held(a)}
        for c, net in enumerate(nets(run, a, marks)):
            rate = run.interest.get(run.course.currencies[c], Decimal(0))
            if net < 0 and rate > 0:
                due = -net * Fraction(rate) / DAYS * 10 ** run.books.places[c]
                run.post(step, Flow.BORROW, a, -1, c, -int(-(-due // 1)))


class TaxBook:
    """Average cost of every position and coin, kept from the ledger's own rows, and the tax rule asked at each gain.

    Tax is booked on the holder's own cash at the end of the bar in which the gain was made.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.seen = run, 0
        self.lots = [0] * len(run.books.legs)
        self.cost = [Fraction(0)] * len(run.books.legs)

    def settle(self, step: int) -> None:
        """Ask the rule about every gain booked since it was last called."""
        run = self.run
        rows = run.ledger.rows[self.seen : run.ledger.used].copy()
        self.seen = run.ledger.used
        for row in rows:
            if not row[UNITS]:
                continue
            gain: Gain | None
            if row[FLOW] == Flow.SPOT:
                gain = self._sold(row)
            elif row[FLOW] in POSITION_FLOWS:
                gain = self._closed(row)
            else:
                continue
            if gain is not None and run.tax is not None:
                tax = quanta(run.tax(gain), gain.currency)
                if tax:
                    run.post(step, Flow.TAX, RESERVE, -1, run.course.currencies.index(gain.currency), -tax)
                    self.seen = run.ledger.used

    def _sold(self, row: IntArray) -> Gain:
        run, coin = self.run, self.run.course.coins[int(row[ITEM])]
        units = Decimal(-int(row[UNITS])).scaleb(-SPOT_PLACES)
        price = run.costs.get(coin, Decimal(repr(float(run.course.spot[0, int(row[ITEM])]))))
        currency = run.course.currencies[int(row[CURRENCY])]
        proceeds = amount_of(int(row[AMOUNT]), currency)
        return Gain(run.course.moment(int(row[STEP])), coin, currency, proceeds - times(units, price), proceeds)

    def _closed(self, row: IntArray) -> Gain | None:
        """The gain of the part of a row that closes; what it opens joins the average cost."""
        i, units, cash = int(row[ITEM]), int(row[UNITS]), int(row[AMOUNT])
        held, gain = self.lots[i], None
        closing = min(abs(units), abs(held)) if held * units < 0 else 0
        if closing:
            brought, paid = Fraction(cash * closing, abs(units)), self.cost[i] * Fraction(closing, abs(held))
            currency = self.run.course.currencies[int(row[CURRENCY])]
            amount = amount_of(int((brought + paid) // 1), currency)
            gain = Gain(
                self.run.course.moment(int(row[STEP])), self.run.books.legs[i].contract.id, currency, amount
            )  # fmt: skip
            self.cost[i] -= paid
        self.cost[i] += Fraction(cash * (abs(units) - closing), abs(units))
        self.lots[i] = held + units
        return gain
