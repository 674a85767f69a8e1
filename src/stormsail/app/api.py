"""The Python face: the same steps as the command line, as plain calls on one value.

>>> from stormsail.app.api import Workbench, sample_portfolio
>>> bench = Workbench.open()  # the bundled sample; or Workbench.open("my-data", as_of="2024-08-03")
>>> report = bench.audit(sample_portfolio())
>>> len(report.assets)
12
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stormsail.core import ConfigError, InputError, UnavailableError, parse_moment

if TYPE_CHECKING:
    from stormsail.adapters.files.plan_shelf import PlanShelf
    from stormsail.audit.tolerance import Tolerance
    from stormsail.audit.types import ExposureReport
    from stormsail.core import Portfolio
    from stormsail.instruments.types import Shortlist, VenueRecord, VenueScore
    from stormsail.lab.backtest import Backtest
    from stormsail.margin.types import MarginMode
    from stormsail.market.source import MarketSource, MarketView
    from stormsail.plan.types import HedgePlan
    from stormsail.ratio.types import Contest
    from stormsail.watch.policy import Policy

Progress = Any


@dataclass(frozen=True, slots=True)
class Workbench:
    """Market data, a moment, and the venue records: everything a plan is made with.

    Attributes:
        source: The market data.
        as_of: The moment of the decision; nothing later is read.
        venues: Due-diligence records by venue key.
    """

    source: MarketSource
    as_of: datetime
    venues: Mapping[str, VenueRecord]

    @classmethod
    def open(cls, data: str | Path | None = None, as_of: str | datetime | None = None) -> Workbench:
        """Open market data at a moment.

        Args:
            data: A Stormsail store or a directory of market data; ``None`` for the bundled sample.
            as_of: A date (the end of that day) or a moment; ``None`` for the end of the data.

        Raises:
            ConfigError: If ``data`` holds no market data.
            InputError: If ``as_of`` cannot be read or lies before the data.
        """
        from stormsail.adapters.files.venue_files import load_venues

        source = open_source(data)
        return cls(source, _moment(source, as_of), load_venues())

    @property
    def view(self) -> MarketView:
        """The data as known at ``as_of``."""
        from stormsail.market.source import MarketView

        return MarketView(self.source, self.as_of)

    def audit(self, portfolio: Portfolio, *, volume_share: float = 0.1) -> ExposureReport:
        """What the portfolio is exposed to."""
        from stormsail.audit import audit

        return audit(portfolio, self.view, volume_share=volume_share)

    def choose(self, portfolio: Portfolio, tolerance: Tolerance) -> Shortlist:
        """What could hedge it, ranked, with reasons."""
        from stormsail.plan.survey import survey

        return survey(portfolio, self.view, tolerance, venues=self.venues).shortlist

    def size(self, portfolio: Portfolio, tolerance: Tolerance) -> tuple[Contest, ...]:
        """How much: the estimators side by side, out of sample."""
        from stormsail.plan.survey import survey

        return survey(portfolio, self.view, tolerance, venues=self.venues).contests

    def plan(
        self, portfolio: Portfolio, tolerance: Tolerance, *, progress: Progress = None, **options: Any
    ) -> HedgePlan:
        """The whole decision."""
        from stormsail.plan import make_plan

        return make_plan(portfolio, self.view, tolerance, venues=self.venues, progress=progress, **options)

    def backtest(
        self,
        portfolio: Portfolio,
        tolerance: Tolerance,
        policy: Policy | None = None,
        *,
        start: datetime | str,
        folder: str | Path | None = None,
        **options: Any,
    ) -> Backtest:
        """Run a portfolio's protection from ``start`` to the bench's moment, beside its rivals.

        Args:
            portfolio: What is held throughout.
            tolerance: What is wanted of every plan.
            policy: How the hedge is kept alive, and how often a plan is made; the default bands, one plan.
            start: Moment of the first plan; a date means its end.
            folder: Keeps the plans, in ``plans``; a run that was broken off goes on there.
            options: Further arguments of :func:`stormsail.lab.backtest.backtest`.

        Raises:
            StormsailError: If the first plan cannot be made, or the data does not cover the span.
        """
        from stormsail.lab.backtest import backtest
        from stormsail.margin.types import MarginMode
        from stormsail.watch.policy import Policy as Rules

        mode = options.pop("mode", MarginMode.CROSS)
        shelf = options.pop("shelf", None)
        if folder is not None:
            shelf = _shelf(self, Path(folder), portfolio, tolerance, mode)
        first = parse_as_of(start, "start") if isinstance(start, str) else start
        return backtest(
            portfolio, self.source, tolerance, policy or Rules(), start=first, end=self.as_of, venues=self.venues,
            mode=mode, shelf=shelf, **options,
        )  # fmt: skip

    def scores(self) -> tuple[VenueScore, ...]:
        """Due-diligence scores as of the moment of the decision, best first."""
        from stormsail.instruments.diligence import score
        from stormsail.instruments.universe import day_of

        day = day_of(self.as_of)
        return tuple(sorted((score(r, day) for r in self.venues.values()), key=lambda s: (-s.score, s.venue)))


def open_source(data: str | Path | None = None) -> MarketSource:
    """Market data at a path: a store, a directory of data files, or the bundled sample."""
    from stormsail.adapters.store.parquet import ParquetStore

    if data is None:
        from stormsail.adapters.sources.sample import sample_path

        return ParquetStore(sample_path(), name="bundled sample")
    path = Path(data)
    if not path.is_dir():
        raise ConfigError("no such folder", cure="name a folder with market data, or leave --data out", where=str(path))
    from stormsail.adapters.sources.directory import DirectorySource

    if DirectorySource.recognises(path):
        return DirectorySource(path)
    store = ParquetStore(path)
    if not store.catalogue():
        raise ConfigError(
            "holds no market data", cure="fill it with stormsail data fetch, or name another folder", where=str(path)
        )
    return store


def _shelf(bench: Workbench, folder: Path, portfolio: Portfolio, tolerance: Tolerance, mode: MarginMode) -> PlanShelf:
    """Where the plans of a run are kept."""
    from importlib.metadata import version

    from stormsail.adapters.files.plan_shelf import PlanShelf

    plans = folder / "plans"
    plans.mkdir(parents=True, exist_ok=True)
    return PlanShelf(plans, portfolio, tolerance, mode, bench.venues, bench.source, version("stormsail"))


def parse_as_of(text: str, where: str = "--as-of") -> datetime:
    """Read the moment of a decision.

    Raises:
        InputError: If ``text`` is neither a date nor a moment.
    """
    try:
        return parse_moment(text)
    except ValueError as error:
        raise InputError(f"{text!r} is not a date", cure="write 2024-08-03 or 2024-08-03T06:00", where=where) from error


def _moment(source: MarketSource, as_of: str | datetime | None) -> datetime:
    from stormsail.market.schema import PRICE_KINDS

    series = source.catalogue()
    first = min((info.start for info in series if info.key.kind in PRICE_KINDS), default=None)
    if first is None:
        raise UnavailableError(
            "no price series", cure="fill the data folder with stormsail data fetch", where=source.name
        )
    if as_of is None:
        return max(info.end for info in series)
    if isinstance(as_of, str):
        as_of = parse_as_of(as_of)
    if as_of < first:
        raise InputError(
            f"{as_of:%Y-%m-%d} is before the data begins", cure=f"choose a date after {first:%Y-%m-%d}", where="--as-of"
        )
    return as_of


def sample_portfolio() -> Portfolio:
    """The portfolio of the bundled sample."""
    from stormsail.adapters.files.portfolio_file import read_portfolio
    from stormsail.adapters.sources.sample import sample_path

    return read_portfolio(sample_path() / "portfolio.csv")
