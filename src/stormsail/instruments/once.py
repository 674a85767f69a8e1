"""The name under which the ranking finds :mod:`stormsail.market.once`."""

from stormsail.market.once import ReadOnce, read_once

__all__ = ["ReadOnce", "read_once"]
