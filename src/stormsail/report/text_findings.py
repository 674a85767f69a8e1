"""What was noticed on the way: the gravest first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from stormsail.core import Finding, Trouble
from stormsail.report.format import count
from stormsail.report.page import TOP, show_section
from stormsail.report.tables import Builder, Column, Section, present

WORDS: dict[Trouble, str] = {
    Trouble.NAKED: "one leg of the hedge is missing; act now",
    Trouble.FATAL: "nothing can go on",
    Trouble.FAIL_CLOSED: "no trade is made",
    Trouble.PROPAGATE: "an error was passed on",
    Trouble.UNAVAILABLE: "an input is missing; nothing was put in its place",
    Trouble.DEGRADED: "it goes on with less",
    Trouble.DEFER: "to be tried again later",
    Trouble.NOTE: "worth knowing",
}
"""The words of trouble in plain language, the gravest first."""


def print_findings(console: Console, findings: Sequence[Finding], *, top: int = 4 * TOP) -> None:
    """Print what was noticed, the gravest first, with what follows from each.

    Args:
        console: Where to print; its width and encoding are respected.
        findings: In any order.
        top: Most findings shown.
    """
    show_section(console, findings_section(findings), top=top)


def findings_section(findings: Sequence[Finding]) -> Section:
    """The chapter on findings; equal ones are said once, and those that differ only in subject together."""
    order = list(WORDS)
    once = sorted(set(findings), key=lambda f: (order.index(f.trouble), f.subject, f.cause, f.cure))
    alike: dict[tuple[Trouble, str, str], list[str]] = {}
    for finding in once:
        alike.setdefault((finding.trouble, finding.cause, finding.cure), []).append(finding.subject)
    present_words = [word for word in order if any(f.trouble is word for f in once)]
    footer = "; ".join(f"{word.value}: {WORDS[word]}" for word in present_words)
    build = Builder(
        "",
        (Column("Word", number=False), Column("About", number=False), Column("Seen", number=False)),
        (f"{footer}.",),
    )
    for (word, cause, cure), subjects in alike.items():
        grave = order.index(word) < order.index(Trouble.PROPAGATE)
        build.add(word.value, ", ".join(subjects), cause, note=f"-> {cure}", strong=grave)
    lead = f"{count(len(once), 'thing')} noticed on the way, the gravest first." if once else "Nothing was noticed."
    return Section("findings", "What was noticed", (lead,), present([build.table()]))
