"""The verb ``stormsail backtest``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from stormsail.app.console import out, output_folder, print_json, progress, talk
from stormsail.core import InputError, parse_span, suggest

if TYPE_CHECKING:
    from stormsail.app.request import Request
    from stormsail.lab.backtest import Backtest
    from stormsail.watch.policy import Policy


def backtest(
    request: Request,
    *,
    start: str,
    end: str | None,
    policy: str,
    replan: str | None,
    reserve: str | None,
    isolated: bool,
    folder: Path | None,
) -> None:
    """Run a portfolio's protection through history, print what came of it, and write it when a folder is named."""
    from stormsail.app.api import Workbench, parse_as_of
    from stormsail.margin.types import MarginMode

    portfolio, tolerance = request.portfolio(), request.tolerance()
    rules, cash = named_policy(policy, replan), reserve_of(reserve)
    first = first_moment(start)
    bench = Workbench.open(request.data, None if end is None else parse_as_of(end, "--end"))
    if folder is not None:
        output_folder(folder)
    with _Bars(quiet=request.as_json) as bars:
        test = bench.backtest(
            portfolio, tolerance, rules, start=first, reserve=cash, folder=folder, planned=bars.planned,
            walked=bars.walked, mode=MarginMode.ISOLATED if isolated else MarginMode.CROSS,
        )  # fmt: skip
    show(test, as_json=request.as_json, folder=folder)


def show(test: Backtest, *, as_json: bool, folder: Path | None) -> None:
    """Print a backtest and write its files."""
    from stormsail.adapters.files.backtest_files import backtest_to_dict, write_backtest

    content, written = backtest_to_dict(test), dict[str, Path]()
    if folder is not None:
        from stormsail.report.backtest_html import backtest_html

        written = write_backtest(test, folder)
        page = folder / "report.html"
        page.write_text(backtest_html(test, digest=content["digest"]), encoding="utf-8")
        written["Report"] = page
    if as_json:
        print_json(content)
    else:
        from stormsail.report.text_backtest import print_backtest

        print_backtest(out(), test)
    width = max(map(len, written), default=0) + 1
    for name, path in written.items():
        talk().print(f"{name + ':':<{width}} {path}", markup=False, soft_wrap=True)


def named_policy(name: str, replan: str | None = None) -> Policy:
    """One of the policies that come with the program by its name, or that of a file; ``replan`` goes before its own.

    Raises:
        InputError: If there is neither.
        ConfigError: If the file is wrong.
    """
    from stormsail.watch.named import POLICIES

    if name in POLICIES:
        found = POLICIES[name]
    elif Path(name).suffix == ".toml" or Path(name).is_file():
        from stormsail.adapters.files.policy_file import read_policy

        found = read_policy(name)
    else:
        raise InputError(
            f"no policy {name!r}", cure=f"{suggest(name, POLICIES)}, or name a policy file", where="--policy"
        )
    return found if replan is None else replace(found, replan=_span(replan))


def reserve_of(text: str | None) -> dict[str, Decimal] | None:
    """Cash outside the accounts; ``None`` leaves it to the backtest.

    Raises:
        InputError: If it is not an amount.
    """
    if text is None:
        return None
    from stormsail.audit.tolerance import parse_amount

    return {"USDT": parse_amount(text, "--reserve")}


def first_moment(text: str) -> datetime:
    """The first moment of a day, or a moment.

    Raises:
        InputError: If it is neither.

    >>> first_moment("2021-05-01").isoformat()
    '2021-05-01T00:00:00+00:00'
    """
    from stormsail.app.api import parse_as_of

    when = parse_as_of(text, "--start")
    return when if "T" in text or ":" in text else when - timedelta(days=1)


def _span(text: str) -> timedelta:
    try:
        return parse_span(text)
    except ValueError as error:
        raise InputError(str(error), cure="write a span such as 30d", where="--replan") from error


class _Bars:
    """Two bars on stderr, one after the other: plans made, then bars walked."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._stack, self._shown = quiet, ExitStack(), ""
        self._tell: Callable[[int, int], None] = lambda done, total: None

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def planned(self, done: int, total: int) -> None:
        """So many plans of so many are made."""
        self._show("making plans", done, total)

    def walked(self, done: int, total: int) -> None:
        """So many bars of so many are walked."""
        self._show("walking through", done, total)

    def _show(self, text: str, done: int, total: int) -> None:
        if text != self._shown:
            self._stack.close()
            self._shown, self._tell = text, self._stack.enter_context(progress(text, quiet=self._quiet))
        self._tell(done, total)
