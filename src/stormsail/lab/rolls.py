"""When the holder looks at dated contracts, and at exchanging them for perpetuals and back; the answers are those of
:mod:`stormsail.watch.roll` and :mod:`stormsail.watch.switch`."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from stormsail.core import Tenor, Unavailable
from stormsail.lab.charges import midnights
from stormsail.lab.keeper import carry_out, offers, position_sight
from stormsail.lab.run import Run
from stormsail.watch.policy import Roll, Switch
from stormsail.watch.roll import Rolling, Stage, advance, latest_start, window_start
from stormsail.watch.switch import consider

HORIZON = timedelta(days=30)
"""How long protection is taken to be wanted when a perpetual is weighed against a dated contract."""


def schedule(run: Run) -> None:
    """Looks at every dated leg: daily for a better one, at each look of the policy once its roll is due, and at its
    last bar; daily for the exchange of perpetual and dated."""
    roll, switch, days = run.policy.roll, run.policy.switch, midnights(run)
    spacing = max(1, run.policy.rebalance.every // run.course.step)
    for leg, spec in enumerate(run.books.legs):
        expiry = spec.contract.expiry
        if roll is not None and expiry is not None:
            begin = run.course.index_of(latest_start(roll, position_sight(run, leg, 0)))
            end = min(run.course.index_of(expiry), len(run.course.times))
            looks = {t for t in days if t < begin} | set(range(begin, end, spacing)) | {end - 1}
            for step in sorted(t for t in looks if 0 <= t < end):
                run.at(step, lambda now, leg=leg: _roll(run, roll, leg, now))  # type: ignore[misc]  # default
        if switch is not None:
            for step in days:
                run.at(step, lambda now, leg=leg: _switch(run, switch, leg, now))  # type: ignore[misc]  # default


def _roll(run: Run, roll: Roll, leg: int, step: int) -> None:
    """One look at a roll; the last before the expiry takes what is left."""
    account = run.books.account_of(leg)
    state = run.rolling.get(leg, Rolling())
    if run.books.state.dead[account] or state.stage is Stage.ROLLED:
        return
    name, contract = run.books.accounts[account].name, run.books.legs[leg].contract
    short = position_sight(run, leg, step, run.wanted.get(leg))
    now = run.course.moment(step)
    if contract.expiry is not None and run.course.moment(step) + run.course.step >= contract.expiry:
        now = max(now, window_start(short))
    found = advance(roll, state, name, short, offers(run, step), now)
    run.findings.extend(found.findings)
    if state.stage is Stage.HOLDING and found.state.stage is Stage.ROLLING:
        run.wanted[leg] = short.target
    if found.state.stage is not state.stage:
        run.note(step, "roll", contract.id, f"{state.stage.value} to {found.state.stage.value}: {found.state.reason}")
    run.rolling[leg] = found.state
    _exchange(run, leg, carry_out(run, found.acts, step), step)


def _switch(run: Run, switch: Switch, leg: int, step: int) -> None:
    """Whether another kind of contract pays enough more."""
    account = run.books.account_of(leg)
    spec, contract = run.books.accounts[account], run.books.legs[leg].contract
    rolling = run.rolling.get(leg, Rolling()).stage is Stage.ROLLING
    if run.books.state.dead[account] or run.books.state.lots[leg] >= 0 or rolling:
        return
    found = consider(
        switch, spec.name, position_sight(run, leg, step), offers(run, step), run.course.moment(step),
        horizon=HORIZON, since=run.changed.get(contract.base),
    )  # fmt: skip
    if isinstance(found, Unavailable):
        return
    run.changed[contract.base] = run.course.moment(step)
    kind = "perpetual to dated" if contract.tenor is Tenor.PERPETUAL else "dated to perpetual"
    run.note(step, "switch", contract.id, f"{kind}: {found.reason}")
    _exchange(run, leg, carry_out(run, found.acts, step), step)


def _exchange(run: Run, leg: int, touched: set[int], step: int) -> None:
    """Let what was given up be wanted no more, and what took its place go on as it stands beside the plan's own."""
    if not touched:
        return
    run.rule.target[step:, leg] = np.nan if run.books.state.lots[leg] else 0.0
    for i in touched - {leg}:
        own = run.own.setdefault(i, np.nan_to_num(run.aim(run.owned())[:, i]))
        run.rule.target[step:, i] = own[step:] + (int(run.books.state.lots[i]) - own[step])
