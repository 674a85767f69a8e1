"""Where things are printed: data on stdout, talk on stderr; ``NO_COLOR`` is obeyed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stormsail.core import InputError, StormsailError

Progress = Callable[[int, int], None]


def out() -> Any:
    """A rich console on stdout."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, soft_wrap=False)


def talk() -> Any:
    """A rich console on stderr, for progress and remarks."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False)


def output_folder(path: Path) -> Path:
    """Make ``path`` a folder one can write into, before any long work is done.

    Raises:
        InputError: If it is a file, or cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / ".stormsail").touch()
        (path / ".stormsail").unlink()
    except OSError as error:
        raise InputError(
            f"cannot write there: {error.strerror}", cure="name a folder you may write into", where=str(path)
        ) from error
    return path


def print_json(data: Any) -> None:
    """Print plain data as JSON on stdout."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def report_error(error: StormsailError, *, as_json: bool) -> int:
    """Print an error where the reader looks for it and return its exit code."""
    if as_json:
        print_json({"error": error.as_dict()})
        return error.exit_code
    console = talk()
    console.print(f"Error {error.code}" + (f" in {error.where}" if error.where else ""), style="bold red", markup=False)
    console.print(f"  {error.cause}.", markup=False)
    console.print(f"  What to do: {error.cure}.", markup=False)
    return error.exit_code


@contextmanager
def progress(text: str, *, quiet: bool = False) -> Iterator[Progress]:
    """A progress bar on stderr; silent when stderr is not a terminal or ``quiet`` is set.

    Yields:
        A function of (done, total).
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    bar = RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=talk(),
        transient=True,
    )
    with bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def steps(text: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """A spinner on stderr that names the step at work; silent when stderr is not a terminal or ``quiet`` is set."""
    if quiet or not sys.stderr.isatty():
        yield lambda step: None
        return
    with talk().status(text) as status:
        yield lambda step: status.update(f"{text}: {step}")
