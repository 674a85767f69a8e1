"""The carry the programme counts with; it is the one the ranking counts with too."""

from stormsail.instruments.counted import counted_carry

__all__ = ["counted_carry"]
