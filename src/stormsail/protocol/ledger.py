"""Exact model of the tokens: who holds how much, in whole units."""

from __future__ import annotations

from dataclasses import dataclass, field

from stormsail.protocol.refused import need

WAD = 10**18
"""One price unit, and one token, in the smallest parts of either."""
UNLIMITED = 2**256 - 1
NOBODY = "0x" + "00" * 20


@dataclass(slots=True)
class PairToken:
    """The leg of a band future as ``PairToken.vy`` keeps it, without signatures.

    Attributes:
        supply: Units in existence.
        balances: Units by holder; absent is 0.
        allowances: Units by (owner, spender); absent is 0.
    """

    supply: int = 0
    balances: dict[str, int] = field(default_factory=dict)
    allowances: dict[tuple[str, str], int] = field(default_factory=dict)

    def balance(self, holder: str) -> int:
        """Units of ``holder``."""
        return self.balances.get(holder, 0)

    def transfer(self, sender: str, to: str, amount: int) -> None:
        """Move units; refuses the zero address and more than there is."""
        need(to != NOBODY, "no receiver")
        need(self.balance(sender) >= amount, "balance")
        self.balances[sender] = self.balance(sender) - amount
        self.balances[to] = self.balance(to) + amount

    def approve(self, owner: str, spender: str, amount: int) -> None:
        """Allow ``spender`` to move ``amount`` of the owner's units."""
        self.allowances[owner, spender] = amount

    def transfer_from(self, spender: str, owner: str, to: str, amount: int) -> None:
        """Move units by allowance; an unlimited one is not used up."""
        allowed = self.allowances.get((owner, spender), 0)
        need(allowed >= amount, "allowance")
        self.transfer(owner, to, amount)
        if allowed != UNLIMITED:
            self.allowances[owner, spender] = allowed - amount

    def mint(self, to: str, amount: int) -> None:
        """Create units."""
        need(to != NOBODY, "no receiver")
        self.supply += amount
        self.balances[to] = self.balance(to) + amount

    def burn(self, owner: str, amount: int) -> None:
        """Destroy units of ``owner``."""
        need(self.balance(owner) >= amount, "balance")
        self.supply -= amount
        self.balances[owner] = self.balance(owner) - amount


@dataclass(slots=True)
class Coin(PairToken):
    """An honest collateral coin; ``decimals`` of its units make one."""

    decimals: int = 6
