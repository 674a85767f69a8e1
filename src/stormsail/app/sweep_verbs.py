"""The verb ``stormsail fleet sweep``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stormsail.app.console import out, output_folder, print_json, progress, talk
from stormsail.app.request import TOLERANCE_OPTIONS
from stormsail.core import InputError, suggest
from stormsail.core.plain import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stormsail.app.request import Request
    from stormsail.lab.settings import Choice, Setting, Verdict
    from stormsail.lab.workers import Workers
    from stormsail.watch.policy import Policy

KIND, SCHEMA_VERSION = "stormsail sweep", 1

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def sweep(
    request: Request,
    *,
    start: str,
    end: str | None,
    values: Sequence[str],
    policy: str,
    replan: str | None,
    by: str,
    workers: int | None,
    cluster: str | None,
    folder: Path | None,
) -> None:
    """Run every setting of a grid and print what came of each, and how far the best can be believed."""
    from stormsail.adapters.files.venue_files import load_venues
    from stormsail.app.api import Workbench, parse_as_of
    from stormsail.app.backtest_verbs import first_moment, named_policy
    from stormsail.app.fleet_verbs import choose as choose_workers
    from stormsail.lab.settings import CRITERIA, PlanSetting, RunSetting, choose, course_of

    if by not in CRITERIA:
        raise InputError(f"no criterion {by!r}", cure=suggest(by, CRITERIA), where="--by")
    settings = grid(values, request.tolerance_texts, named_policy(policy, replan))
    those, portfolio, first = choose_workers(workers, cluster), request.portfolio(), first_moment(start)
    bench = Workbench.open(request.data, None if end is None else parse_as_of(end, "--end"))
    if folder is not None:
        output_folder(folder)
    asked = list(dict.fromkeys((s.tolerance, s.policy.replan) for s in settings))
    planner = PlanSetting(portfolio, bench.source, load_venues, first, bench.as_of)
    quiet = request.as_json
    forwards = _all(those, planner, asked, "making plans", quiet=quiet)
    course = course_of(forwards, bench.source, start=first, end=bench.as_of)
    runs = [(asked.index((s.tolerance, s.policy.replan)), s.policy) for s in settings]
    verdicts = _all(those, RunSetting(course, tuple(forwards)), runs, "running settings", quiet=quiet)
    choice = choose(verdicts, by)
    content = {
        "kind": KIND, "schema_version": SCHEMA_VERSION, "portfolio": portfolio.name, "start": to_plain(first),
        "end": to_plain(bench.as_of), "middle": to_plain(course.moment(len(course.times) // 2)),
        "choice": to_plain(choice), "warning": warning(choice),
        "settings": [{"set": dict(s.told), **to_plain(v)} for s, v in zip(settings, verdicts, strict=True)],
    }  # fmt: skip
    if folder is not None:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / "sweep.json").write_text(text, encoding="utf-8")
    if request.as_json:
        print_json(content)
        return
    _print(settings, verdicts, choice)


def grid(values: Sequence[str], texts: Mapping[str, Any], policy: Policy) -> list[Setting]:
    """Every combination of the values given, the last name varying fastest.

    Args:
        values: ``name=value,value,...``; a ``+`` stands for a comma within a value.
        texts: Tolerance values that are not varied.
        policy: Policy that is varied.

    Raises:
        InputError: If one is not of that form, or a name is not known or comes twice.
        StormsailError: If a value cannot be.
    """
    from stormsail.adapters.files.policy_file import changed, names
    from stormsail.audit.tolerance import tolerance_from_text
    from stormsail.lab.settings import Setting

    axes: dict[str, list[str]] = {}
    for text in values:
        name, _, given = text.partition("=")
        name = name.strip().removeprefix("tolerance.").replace("-", "_")
        if name not in (*names(), *TOLERANCE_OPTIONS):
            raise InputError(f"unknown setting {name!r}", cure=suggest(name, (*names(), *TOLERANCE_OPTIONS)),
                             where="--set")  # fmt: skip
        if name in axes:
            raise InputError(f"{name} is given twice", cure="give all its values at once", where="--set")
        axes[name] = list(dict.fromkeys(each.strip() for each in given.split(",") if each.strip()))
        if not axes[name]:
            raise InputError(f"{name} has no values", cure=f"write {name}=value,value", where="--set")
    if not axes:
        raise InputError("nothing is varied", cure="give --set coverage=30%,50% or another", where="--set")
    found = []
    for point in product(*axes.values()):
        told = tuple(zip(axes, point, strict=True))
        wish = {name: value.replace("+", ",") for name, value in told if name in TOLERANCE_OPTIONS}
        rules = {name: value for name, value in told if name not in TOLERANCE_OPTIONS}
        found.append(Setting(told, tolerance_from_text({**texts, **wish}), changed(policy, rules, where="--set")))
    return found


def warning(choice: Choice) -> str:
    """What must be known beside the best of many."""
    if choice.tried == 1:
        return "one setting was tried; nothing was chosen"
    told = (
        f"best of {choice.tried} on the first half; on the second, which it was not chosen on, it ranks "
        f"{choice.rank} of {choice.tried} ({choice.by} {choice.second:.2%}, median {choice.usual:.2%})"
    )
    return told if choice.agreement > 0 else f"{told}; the halves do not agree: the choice says nothing"


def _all(
    workers: Workers, function: Callable[[Asked], Answer], asked: Sequence[Asked], text: str, *, quiet: bool
) -> list[Answer]:
    """Every answer in order, with a bar."""
    found: dict[int, Answer] = {}
    with progress(text, quiet=quiet) as tell:
        tell(0, len(asked))
        for number, answer in workers.map(function, asked):
            found[number] = answer
            tell(len(found), len(asked))
    return [found[i] for i in range(len(asked))]


def _print(settings: Sequence[Setting], verdicts: Sequence[Verdict], choice: Choice) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, _ in settings[0].told:
        table.add_column(name.rpartition(".")[2], no_wrap=True)
    columns = ("change", "fall", "funding", "fees", "slippage", "liquidated", "1st half", "2nd half")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for i, (setting, verdict) in enumerate(zip(settings, verdicts, strict=True)):
        told = [value for _, value in setting.told]
        figures = verdict.figures
        if figures is None or verdict.first is None or verdict.second is None:
            table.add_row(*told, verdict.reason)
            continue
        parts = figures.parts
        halves = (getattr(verdict.first, choice.by), getattr(verdict.second, choice.by))
        table.add_row(
            *told, f"{parts.change:+,.0f}", f"{-figures.fall_hedged:.1%}", f"{parts.funding:+,.0f}",
            f"{parts.fees:+,.0f}", f"{parts.slippage:+,.0f}", str(figures.liquidations),
            *(f"{value:+.2%}" for value in halves), style="bold" if i == choice.best else None,
        )  # fmt: skip
    out().print(table)
    best = ", ".join(f"{name} {value}" for name, value in settings[choice.best].told)
    out().print(f"Best by {choice.by} on the first half: {best}", markup=False)
    talk().print(warning(choice), markup=False, soft_wrap=True)
