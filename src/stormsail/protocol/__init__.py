"""Tokenised futures: contracts in Vyper, what they compile to, and their exact model in Python integers."""

from stormsail.protocol.artifacts import CONTRACTS, Artifact, artifact, source
from stormsail.protocol.band import BandFuture, Terms
from stormsail.protocol.factory import Market, SeriesFactory
from stormsail.protocol.ledger import WAD, Coin, PairToken
from stormsail.protocol.oracle import Feed, Flag, OracleAdapter, Round, Rules
from stormsail.protocol.refused import Refused

__all__ = [
    "CONTRACTS",
    "WAD",
    "Artifact",
    "BandFuture",
    "Coin",
    "Feed",
    "Flag",
    "Market",
    "OracleAdapter",
    "PairToken",
    "Refused",
    "Round",
    "Rules",
    "SeriesFactory",
    "Terms",
    "artifact",
    "source",
]
