"""A folder that keeps the plans of a run, so that a run that was broken off goes on where it stopped.

Each plan is two files: ``2021-05-01T0000.json``, the plan file that a person reads, and ``2021-05-01T0000.kept``, the
same plan whole, which names a digest of everything it was made from. A plan is taken again only if that digest is the
one of today's input and the file is unchanged; else it is made anew and written over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from stormsail.adapters.files._whole import decode, encode
from stormsail.adapters.files.plan_file import digest_of, plan_to_dict, write_plan
from stormsail.audit.tolerance import Tolerance
from stormsail.core import PlanFileError, Portfolio
from stormsail.core.plain import to_plain
from stormsail.instruments.types import VenueRecord
from stormsail.margin.types import MarginMode
from stormsail.market.source import MarketSource, MarketView
from stormsail.plan.types import HedgePlan

KIND, VERSION = "stormsail kept plan", 1


@dataclass(frozen=True, slots=True)
class PlanShelf:
    """Plans of one run in a folder.

    What a plan was made from is told by the portfolio, the tolerance, the mode, the venue records, the release, the
    name of the data with the span of every series known then, and the plan before it. Data whose rows were changed
    without a change of its spans is not noticed: name another folder for it.

    Attributes:
        folder: Where the files lie; it must exist.
        portfolio, tolerance, mode, venues, source: What plans are made from.
        release: Version of the program.
    """

    folder: Path
    portfolio: Portfolio
    tolerance: Tolerance
    mode: MarginMode
    venues: Mapping[str, VenueRecord]
    source: MarketSource
    release: str

    def take(self, when: datetime, after: HedgePlan | None) -> HedgePlan | None:
        """The plan of that moment, if it is kept whole and was made from the same input."""
        path = self._path(when, "kept")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(data, dict) or data.get("kind") != KIND or data.get("version") != VERSION:
            return None
        if data.get("digest") != digest_of(data) or data.get("made_from") != self._inputs(when, after):
            return None
        try:
            plan = decode(data["plan"], HedgePlan)
        except (ValueError, KeyError, ArithmeticError):
            return None
        return plan if isinstance(plan, HedgePlan) else None

    def keep(self, plan: HedgePlan, after: HedgePlan | None) -> None:
        """Write a plan, each file whole or not at all.

        Raises:
            PlanFileError: If the folder cannot be written.
        """
        write_plan(plan, self._path(plan.as_of, "json"))
        body: dict[str, Any] = {
            "kind": KIND,
            "version": VERSION,
            "made_from": self._inputs(plan.as_of, after),
            "plan": encode(plan),
        }
        path = self._path(plan.as_of, "kept")
        draft = path.with_name(path.name + ".part")
        try:
            draft.write_text(json.dumps({**body, "digest": digest_of(body)}), encoding="utf-8", newline="\n")
            draft.replace(path)
        except OSError as error:
            raise PlanFileError(
                f"cannot be written: {error.strerror}", cure="choose another folder", where=str(path)
            ) from error

    def _path(self, when: datetime, ending: str) -> Path:
        return self.folder / f"{when:%Y-%m-%dT%H%M}.{ending}"

    def _inputs(self, when: datetime, after: HedgePlan | None) -> str:
        """Digest of everything a plan of that moment is made from."""
        known = [
            (str(info.key), info.start.isoformat(), info.end.isoformat())
            for info in MarketView(self.source, when).catalogue()
        ]
        told = to_plain(
            [
                when, self.portfolio, self.tolerance, self.mode, dict(sorted(self.venues.items())), self.release,
                self.source.name, known, None if after is None else plan_to_dict(after)["digest"],
            ]
        )  # fmt: skip
        return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
