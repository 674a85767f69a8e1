"""What a contract answers when it will not do something."""

from __future__ import annotations

from stormsail.core import InputError


class Refused(InputError):
    """A call that the contract reverts; ``reason`` is the contract's own string.

    >>> Refused("expired").reason
    'expired'
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the contract refuses: {reason}",
            cure="read on the page of the contract when this act is allowed",
            where="protocol",
        )
        self.reason = reason


def need(condition: bool, reason: str) -> None:
    """Refuse with ``reason`` unless ``condition``, as ``assert`` does in a contract."""
    if not condition:
        raise Refused(reason)
