"""Write what the documentation copies from the program: its references, and the output of commands.

A page asks for output with a marker, and this script fills in what stands between it and its end::

    <!-- output: audit portfolio.csv | part 1 -->
    <!-- /output -->

Commands run in a fresh folder as ``stormsail init`` leaves it, on the bundled sample. ``part n`` takes the n-th part of
what is printed (parts begin with an underlined heading), ``lines n`` the first n lines. A marker ``file: NAME`` asks
for a file of that folder. With ``--check`` nothing is written, and the exit code is 1 if a page is out of date; then
figures are compared only by their place, since the last digit of a float may differ between machines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference" / "command-line.md"
BLOCK = re.compile(r"<!-- output: (?P<ask>.+?) -->\n.*?<!-- /output -->", re.DOTALL)
FILE = re.compile(r"<!-- file: (?P<name>.+?) -->\n.*?<!-- /file -->", re.DOTALL)
HEADING = re.compile(r"^(?P<title>(?:\d+\. )?[A-Z].*)\n(?P<line>-{6,})$", re.MULTILINE)
ROOMS = {
    "core": "The words everything else is written in.",
    "market": "What the market says, and when it was known.",
    "audit": "What am I exposed to.",
    "instruments": "What could hedge it.",
    "ratio": "How much.",
    "forecast": "What may come.",
    "margin": "What keeps it alive.",
    "protocol": "Tokenised futures: contracts, what they compile to, and their exact model.",
    "plan": "The decision.",
    "execution": "From orders to fills.",
    "watch": "When to act, and what is asked for.",
    "lab": "Plans held through the past.",
}
INTRODUCTION = """\
# Command line

Written by `scripts/refresh_docs.py` from the program itself.

Data goes to stdout, talk and errors to stderr. With `--json` stdout holds one JSON document and nothing else.
`NO_COLOR` is obeyed. Exit codes are those of the [errors](../errors/index.md).

Strongest first: options, environment (`STORMSAIL__TOLERANCE__COVERAGE=40%`), the [configuration](configuration.md),
defaults.
"""


def commands() -> list[tuple[str, Any]]:
    """Every verb with its name as typed, verbs of ``data`` included."""
    from typer.main import get_command

    from stormsail.app.cli import app

    found: list[tuple[str, Any]] = []
    root: Any = get_command(app)
    for name, verb in root.commands.items():
        inner = getattr(verb, "commands", None)
        found += [(f"{name} {n}", v) for n, v in inner.items()] if inner else [(name, verb)]
    return found


def reference() -> str:
    """The whole reference page."""
    return "\n".join([INTRODUCTION, *(_verb(name, verb) for name, verb in commands())])


def _verb(name: str, verb: Any) -> str:
    shown = [p for p in verb.params if not getattr(p, "hidden", False) and p.name != "help"]
    told = " ".join(_usage(p) for p in shown if p.param_type_name == "argument")
    lines = [f"## stormsail {name}", "", *(verb.help or "").strip().splitlines(), ""]
    lines += ["```text", f"stormsail {name} [OPTIONS] {told}".rstrip(), "```", "", "| | |", "|---|---|"]
    lines += [f"| `{_names(p)}` | {_help(p)} |" for p in shown]
    return "\n".join([*lines, ""])


def room_page(room: str) -> str:
    """The page of the Python reference for one room: every public module of it."""
    modules = sorted(p.stem for p in (ROOT / "src" / "stormsail" / room).glob("[!_]*.py"))
    return f"# {room}\n\n{ROOMS[room]}\n\n" + "\n".join(f"::: stormsail.{room}.{name}\n" for name in modules)


def _usage(param: Any) -> str:
    return _word(param) if param.required else f"[{_word(param)}]"


def _word(param: Any) -> str:
    return str(param.metavar or param.name).strip("_").upper()


def _names(param: Any) -> str:
    if param.param_type_name == "argument":
        return _word(param)
    value = "" if param.is_flag else f" {_word(param)}"
    return " / ".join([*param.opts, *param.secondary_opts]) + value


def _help(param: Any) -> str:
    text = (param.help or "").strip().replace("|", "\\|")
    told = param.default if isinstance(param.default, str | Path) and "Default" not in text else None
    extra = f" Default: `{told}`." if told is not None and str(told) else ""
    return text + extra + (f" Environment: `{param.envvar}`." if param.envvar else "")


@cache
def run(command: str, folder: str) -> str:
    """What a command prints, stdout and stderr together."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("STORMSAIL")}
    done = subprocess.run(
        [sys.executable, "-m", "stormsail", *command.split()],
        cwd=folder,
        env=clean | {"COLUMNS": "80", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if "Traceback" in done.stdout:
        raise SystemExit(f"stormsail {command} broke:\n{done.stdout}")
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())


def chosen(text: str, wish: str) -> str:
    """The part of an output that is wished for: ``part 3``, ``lines 20`` or all."""
    word, _, number = wish.partition(" ")
    if word == "lines":
        lines = text.splitlines()
        return "\n".join([*lines[: int(number)], *(["..."] if len(lines) > int(number) else [])])
    if word == "part":
        # a table of one column is underlined too, at its own width
        starts = [m.start() for m in HEADING.finditer(text) if len(m["title"]) == len(m["line"])]
        return text[starts[int(number) - 1] : [*starts, len(text)][int(number)]].rstrip()
    return text


def filled(page: str, folder: str) -> str:
    """The page with every block of output as the program prints it now."""

    def block(match: re.Match[str]) -> str:
        command, _, wish = match["ask"].partition("|")
        text = chosen(run(command.strip(), folder), wish.strip())
        return f"<!-- output: {match['ask']} -->\n```text\n{text}\n```\n<!-- /output -->"

    def written(match: re.Match[str]) -> str:
        name = match["name"]
        text = (Path(folder) / name).read_text(encoding="utf-8").rstrip()
        return f"<!-- file: {name} -->\n```{Path(name).suffix[1:]}\n{text}\n```\n<!-- /file -->"

    return FILE.sub(written, BLOCK.sub(block, page))


def _shape(text: str) -> str:
    """Text without figures and spacing."""
    return re.sub(r"[\s-]+", " ", re.sub(r"[+-]?[\d.,]*\d", "#", text))


def stale(folder: str) -> list[Path]:
    """Pages that are not what the program says, written anew unless only checked."""
    checking, found = "--check" in sys.argv, []
    made = {REFERENCE: reference()} | {DOCS / "reference" / "python" / f"{r}.md": room_page(r) for r in ROOMS}
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if BLOCK.search(text) or FILE.search(text):
            made[page] = filled(text, folder)
    for page, text in made.items():
        old = page.read_text(encoding="utf-8") if page.exists() else ""
        if (_shape(old) != _shape(text)) if checking else (old != text):
            found.append(page)
            if not checking:
                page.write_text(text, encoding="utf-8")
    return found


def main() -> int:
    """Refresh or check every page."""
    with tempfile.TemporaryDirectory() as folder:
        run("init", folder)
        pages = stale(folder)
    for page in pages:
        print(f"{'out of date' if '--check' in sys.argv else 'written'}: {page.relative_to(ROOT)}")
    return int(bool(pages) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
