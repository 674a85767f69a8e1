"""The same code against recorded markets."""

from stormsail.lab.hold import Held, hold

__all__ = ["Held", "hold"]
