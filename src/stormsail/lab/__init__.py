"""The same code against recorded markets."""

from stormsail.lab.held import Held, hold

__all__ = ["Held", "hold"]
