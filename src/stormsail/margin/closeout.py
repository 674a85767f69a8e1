"""What a liquidation does: how much is closed, at what price, who pays and who is paid.

Four parties share the outcome and their changes sum to zero, everything valued at the mark price: the trader, the
venue's insurance fund (or liquidator vault), the venue itself (a trading fee that is not the fund's), and the market
(who trades at a price off the mark gains or loses the difference). A position that is *taken over* goes to the fund at
its bankruptcy price, so whatever equity was left is the fund's, and so is a deficit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, localcontext

from stormsail.core import InputError, Unavailable, ceil_to, floor_to, profit
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.account import Position
from stormsail.margin.closeout_rules import CloseoutRule, Manner, closeout_rule
from stormsail.margin.liquidation import bankruptcy, margin_notional
from stormsail.margin.tiers import maintenance, tier_index
from stormsail.margin.types import Unliquidatable
from stormsail.margin.venue_tables import deribit_rates

ZERO = Decimal(0)
LARGE = Decimal(100_000)
"""Hyperliquid: a position worth more, in USDC, is closed in two goes."""
FIRST_SHARE = Decimal("0.2")
COOLDOWN = timedelta(seconds=30)
BACKSTOP = Decimal(2) / Decimal(3)
"""Hyperliquid: below this share of maintenance margin the vault takes the position over."""


@dataclass(frozen=True, slots=True)
class Closeout:
    """What a liquidation did. Amounts are in the currency the contract pays; changes are signed from each party's view.

    Attributes:
        closed: Quantity closed or taken over, with the sign of the position.
        kept: Quantity that stays.
        price: Price at which it was closed; the bankruptcy price where it was taken over.
        fee: Paid on what was closed.
        balance: Wallet balance behind what stays; 0 after a takeover.
        trader: Change of the trader's equity.
        fund: Change of the insurance fund, with positions it took over at the mark price.
        venue: Fees that are not the fund's.
        market: Gain of those who traded off the mark price.
        taken_over: Whether the fund took the rest at the bankruptcy price.
        wait: Time until the venue may close more; zero if it is done.
    """

    closed: Decimal
    kept: Decimal
    price: Decimal
    fee: Decimal
    balance: Decimal
    trader: Decimal
    fund: Decimal
    venue: Decimal
    market: Decimal
    taken_over: bool
    wait: timedelta = timedelta(0)


def close_out(
    position: Position,
    wallet: Decimal,
    on: date,
    *,
    fill: Decimal | None = None,
    fee: Decimal | None = None,
    again: bool = False,
) -> Closeout | Unavailable:
    """Liquidate a position that is due, by its venue's rule of the day.

    Args:
        position: The position at its mark price.
        wallet: Balance behind it, without its unrealised profit, in the currency it pays. For one position of a cross
            account that is what the others leave: wallet plus their profit less their requirement; it is due exactly
            when the account is, and enough is closed exactly when the account meets its requirement again.
        on: Day of the rule.
        fill: Price at which the market takes what is closed; the mark price by default.
        fee: Fee rate instead of the rule's, for venues that publish it by symbol.
        again: Whether the venue's first, partial go has been made (Hyperliquid).

    Returns:
        The outcome, or ``Unavailable`` where the venue's rule or fee was not read.

    Raises:
        InputError: If the position is not due: its equity is above its maintenance margin, and stays so one tick on
            (a liquidation price is rounded against the trader).

    >>> from stormsail.core import Contract, Payoff, Tenor
    >>> from stormsail.margin.tiers import flat_table
    >>> d = Decimal
    >>> c = Contract("dydx", "ETH-USD", "ETH", "USD", Tenor.PERPETUAL, Payoff.LINEAR, d(1), d("0.001"), d("0.1"), d(1),
    ...              d(0), d(0))
    >>> short = Position(c, d(-3), d(3000), d(3175), flat_table(c, date(2024, 1, 1), d("0.05"), "docs"))
    >>> out = close_out(short, d(1000), date(2025, 1, 1))
    >>> out.kept, out.fee, out.balance, out.fund
    (Decimal('0'), Decimal('142.875'), Decimal('332.125'), Decimal('142.875'))
    """
    rule = closeout_rule(position.contract.venue, on)
    if isinstance(rule, Unavailable):
        return rule
    rate = _fee_rate(rule, position, on) if fee is None else fee
    if isinstance(rate, Unavailable):
        return rate
    with localcontext(MONEY_CONTEXT):
        state = _State(position, wallet, position.mark if fill is None else fill, rate, rule.to_fund)
        if not _due(position, wallet):
            raise InputError(
                f"equity {state.equity} is above maintenance {position.requirement}",
                cure="liquidate only what is due",
                where=position.contract.id,
            )
        return _by_manner(rule.manner, state, again)


def _due(position: Position, wallet: Decimal) -> bool:
    tick = position.contract.tick
    worse = position.mark + (tick if position.quantity < 0 else -tick)
    at = [position, replace(position, mark=worse)] if worse > 0 else [position]
    return any(wallet + p.profit <= p.requirement for p in at)


def _fee_rate(rule: CloseoutRule, position: Position, on: date) -> Decimal | Unavailable:
    if rule.fee is not None:
        return rule.fee
    if rule.venue != "deribit":
        return position.contract.taker_fee
    rates = deribit_rates(position.contract, on)
    if isinstance(rates, Unavailable):
        return rates
    if rates.liquidation_fee is None:
        return Unavailable(f"Deribit's liquidation fee of {position.contract.base} was not read")
    return rates.liquidation_fee


@dataclass(frozen=True, slots=True)
class _State:
    """A position that is due, and what closing part of it at ``fill`` would leave."""

    position: Position
    wallet: Decimal
    fill: Decimal
    rate: Decimal
    to_fund: bool

    @property
    def equity(self) -> Decimal:
        return self.wallet + self.position.profit

    def profit(self, quantity: Decimal, price: Decimal) -> Decimal:
        return profit(self.position.contract, quantity, self.position.entry, price)

    def suffices(self, closed: Decimal) -> bool:
        """Whether what stays after closing that much meets its maintenance margin."""
        p = self.position
        kept = p.quantity - closed
        cost = self.rate * margin_notional(p.contract, closed, self.fill)
        held = self.wallet + self.profit(closed, self.fill) - cost + self.profit(kept, p.mark)
        if kept == 0:
            return held >= 0
        charged = margin_notional(p.contract, kept, p.entry if p.at_entry else p.mark)
        return held > maintenance(charged, p.table) + p.fee * charged

    def close(self, closed: Decimal, wait: timedelta = timedelta(0)) -> Closeout:
        """Close that much at ``fill``; the fee is paid as far as equity goes, a flat trader's deficit is the fund's."""
        p = self.position
        realised = self.profit(closed, self.fill)
        off_mark = realised - self.profit(closed, p.mark)
        kept = p.quantity - closed
        left = self.equity + off_mark
        cost = max(ZERO, min(self.rate * margin_notional(p.contract, closed, self.fill), left))
        balance, fund = self.wallet + realised - cost, cost if self.to_fund else ZERO
        if kept == 0 and balance < 0:
            balance, fund = ZERO, fund + balance
        after = balance + (self.profit(kept, p.mark) if kept else ZERO)
        venue = ZERO if self.to_fund else cost
        return Closeout(
            closed, kept, self.fill, cost, balance, after - self.equity, fund, venue, -off_mark, False, wait
        )

    def take_over(self) -> Closeout:
        """All to the fund at the bankruptcy price: the trader is left with nothing and owes nothing."""
        p = self.position
        found = bankruptcy(p.contract, p.quantity, p.entry, max(self.wallet, ZERO))
        price = p.mark if isinstance(found, Unliquidatable) else found
        equity = self.equity
        return Closeout(p.quantity, ZERO, price, ZERO, ZERO, -equity, equity, ZERO, ZERO, True)


def _by_manner(manner: Manner, state: _State, again: bool) -> Closeout:
    p = state.position
    if manner is Manner.WHOLE:
        return state.close(p.quantity)
    if manner is Manner.STEPS:
        return state.close(_fewest(state))
    if manner is Manner.SHARE:
        if state.equity < BACKSTOP * p.requirement:
            return state.take_over()
        if again or p.notional <= LARGE:
            return state.close(p.quantity)
        first = min(abs(p.quantity), ceil_to(abs(p.quantity) * FIRST_SHARE, p.contract.lot)).copy_sign(p.quantity)
        return state.close(first, timedelta(0) if state.suffices(first) else COOLDOWN)
    index = tier_index(p.notional, p.table)
    lower: Iterable[int] = range(index - 1, -1, -1)
    if manner is Manner.TWO_BRACKETS:
        worst = (p.table.tiers[0].rate + p.fee) * p.notional
        lower = range(index - 2, -1, -2) if state.equity > worst else ()
    for closed in _down_to(state, lower):
        if closed and state.suffices(closed):
            return state.close(closed)
    return state.take_over()


def _down_to(state: _State, brackets: Iterable[int]) -> Iterator[Decimal]:
    """What must be closed for the rest to lie in each of these brackets, in whole lots."""
    p = state.position
    for index in brackets:
        room = p.table.tiers[index].cap / p.notional * abs(p.quantity)
        yield p.quantity - floor_to(room, p.contract.lot).copy_sign(p.quantity)


def _fewest(state: _State) -> Decimal:
    """Fewest lots that suffice, or everything; a lot frees more than it costs while the fee is below the rate."""
    p = state.position
    whole = -(-abs(p.quantity) // p.contract.lot)
    low, high = 0, int(whole)
    while high - low > 1:
        middle = (low + high) // 2
        if state.suffices((p.contract.lot * middle).copy_sign(p.quantity)):
            high = middle
        else:
            low = middle
    closed = min(p.contract.lot * high, abs(p.quantity))
    return closed.copy_sign(p.quantity)
