"""What a verb was asked for: options over environment over configuration file over defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stormsail.app.config import Config, load_config
from stormsail.core import InputError

if TYPE_CHECKING:
    from stormsail.app.api import Workbench
    from stormsail.audit.tolerance import Tolerance
    from stormsail.core import Portfolio

TOLERANCE_OPTIONS = (
    "coverage", "survive", "horizon", "collateral", "floor", "budget", "venues", "liquidation_chance", "top_up",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a verb.

    Attributes:
        file: Portfolio file, from the call or the configuration.
        data: Folder of market data, or ``None`` for the sample.
        as_of: Moment of the decision as text, or ``None``.
        tolerance_texts: Tolerance values as given, merged.
        as_json: Whether to print JSON.
    """

    file: Path | None
    data: str | None
    as_of: str | None
    tolerance_texts: Mapping[str, Any]
    as_json: bool

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Request:
        """Merge a verb's options over the configuration."""
        config = load_config(options.get("config"))
        file = options.get("file") or (Path(config.portfolio) if config.portfolio else None)
        return cls(
            file=file,
            data=options.get("data") or config.data.dir,
            as_of=options.get("as_of"),
            tolerance_texts=_merge(config, options),
            as_json=bool(options.get("json")),
        )

    def portfolio(self) -> Portfolio:
        """The portfolio, read from its file."""
        from stormsail.adapters.files.portfolio_file import read_portfolio

        if self.file is None:
            raise InputError(
                "no portfolio file was named",
                cure="give one, such as stormsail plan portfolio.csv, or run stormsail init or stormsail demo",
                where="FILE",
            )
        return read_portfolio(self.file)

    def tolerance(self) -> Tolerance:
        """The risk tolerance, validated."""
        from stormsail.audit.tolerance import tolerance_from_text

        return tolerance_from_text(self.tolerance_texts)

    def workbench(self) -> Workbench:
        """The market data at the moment asked for."""
        from stormsail.app.api import Workbench

        return Workbench.open(self.data, self.as_of)


def _merge(config: Config, options: Mapping[str, Any]) -> dict[str, Any]:
    merged = {name: value for name, value in config.tolerance.model_dump().items() if value is not None}
    for name in TOLERANCE_OPTIONS:
        if options.get(name) is not None:
            merged[name] = options[name]
    return merged
