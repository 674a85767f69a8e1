"""The rule that is checked against the past is the one the plan asks."""

from datetime import timedelta

import numpy as np
import pytest

from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit.tolerance import Tolerance
from stormsail.core import Tenor, to_float
from stormsail.margin.coverage import Past, promise_windows
from stormsail.margin.floor import rise_class
from stormsail.margin.moves import Moves
from stormsail.plan.collateral import simulated
from stormsail.plan.prepare import prepare
from stormsail.plan.survey import survey
from tests.plan.market import AS_OF, portfolio, source


def followed_by_a_month(moves: Moves) -> Moves:
    """The same moves, and thirty days in which nothing happens."""
    count = moves.steps(timedelta(days=30))
    later = moves.times[-1] + np.arange(1, count + 1) * np.timedelta64(moves.bar)
    still = np.ones(count)
    return Moves(
        np.r_[moves.times, later.astype(moves.times.dtype)],
        np.r_[moves.highs, still],
        np.r_[moves.closes, still],
        moves.bar,
    )


def test_the_check_asks_what_the_plan_asks() -> None:
    data = source()
    made = prepare(survey(portfolio(data), data.view(AS_OF), Tolerance(), venues=load_venues()))
    asked = 0
    for terms in made.desk.terms:
        if terms.contract.tenor is not Tenor.PERPETUAL:
            continue
        past = Past(
            terms.contract,
            followed_by_a_month(terms.moves),
            rise_class(terms.contract.base, young=terms.young),
            lambda day, table=terms.table: table,  # type: ignore[misc]  # bound now, not when called
            (np.empty(0, dtype="datetime64[us]"), np.empty(0)),
            terms.funding_cap,
        )
        known = terms.moves.bar * len(terms.moves.times)
        (row,) = promise_windows(past, [made.keeper.promise], simulate=simulated, warm_up=known).iter_rows(named=True)
        planned = made.keeper.alone(terms, to_float(past.notional))
        assert row["move"] == planned.move and row["decided_by"] == planned.decided_by
        assert row["rate"] == pytest.approx(planned.rate, rel=1e-12)
        assert row["failed"] == 0
        asked += 1
    assert asked >= 5
