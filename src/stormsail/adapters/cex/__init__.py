"""Exchanges, through ccxt."""

from stormsail.adapters.cex._table import VENUES
from stormsail.adapters.cex.download import fetch

__all__ = ["VENUES", "fetch"]
