"""Common moves and single moves of whole accounts: exact at the answer, first on the way, never silently wrong."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stormsail.core import STABLECOINS, InputError, Payoff, UnavailableError
from stormsail.margin.account import Position, common_rise, cross_liquidation
from stormsail.margin.factor import contract_liquidation, liquidation_factor
from stormsail.margin.haircuts import one_coin
from stormsail.margin.liquidation import isolated
from stormsail.margin.pool import Account, equity, free_equity, requirement
from stormsail.margin.types import Liquidation, Unliquidatable
from tests.margin.accounts import DAY, HAIRCUTS, PLAIN, PRICES, QUANTO, accounts, contract, positions, table

TINY = D("1e-22")


def moved(account: Account, prices: dict[str, D], factor: D) -> tuple[Account, dict[str, D]]:
    """The account after every coin's price was multiplied: an independent restatement of what a common move is."""

    def times(asset: str) -> D:
        return D(1) if asset in STABLECOINS else factor

    there = tuple(replace(p, mark=p.mark * times(p.contract.base) / times(p.contract.quote)) for p in account.positions)
    return replace(account, positions=there), {a: p * times(a) for a, p in prices.items()}


def scale(account: Account, prices: dict[str, D]) -> D:
    gross = sum((p.notional * prices[p.asset] for p in account.positions), D(0))
    return gross + sum((abs(x) * prices[a] for a, x in account.balances), D(1))


@settings(deadline=None, max_examples=120)
@given(accounts(), st.booleans())
def test_at_the_common_factor_equity_meets_the_requirement_and_nowhere_before(
    case: tuple[Account, dict[str, D]], up: bool
) -> None:
    account, prices = case
    found = liquidation_factor(account, prices, up=up)
    now = free_equity(account, prices)
    if now <= 0:
        assert found == 1
        return
    if isinstance(found, Unliquidatable):
        for power in (1, 2, 3, 6):
            far = D(10) ** (power if up else -power)
            assert free_equity(*moved(account, prices, far)) >= -TINY * scale(account, prices) * far
        return
    assert found > 1 if up else 0 < found < 1
    there, then = moved(account, prices, found)
    size = scale(there, then) + scale(account, prices)
    assert abs(free_equity(there, then)) <= TINY * size
    for part in (D("0.25"), D("0.5"), D("0.9"), D("0.999999")):
        assert free_equity(*moved(account, prices, 1 + (found - 1) * part)) > 0
    assert free_equity(*moved(account, prices, found + (found - 1) * D("1e-6"))) < 0


@settings(deadline=None, max_examples=70)
@given(accounts(quanto=True, most=4), st.booleans())
def test_quanto_accounts_fail_at_the_first_crossing(case: tuple[Account, dict[str, D]], up: bool) -> None:
    account, prices = case
    assume(free_equity(account, prices) > 0)
    found = liquidation_factor(account, prices, up=up)
    if isinstance(found, Unliquidatable):
        grid = [D(k) / 50 for k in range(51, 1000, 7)] if up else [D(k) / 50 for k in range(1, 50)]
        assert all(free_equity(*moved(account, prices, t)) > 0 for t in grid)
        return
    there, then = moved(account, prices, found)
    assert abs(free_equity(there, then)) <= TINY * (scale(there, then) + scale(account, prices))
    for k in range(1, 40):
        assert free_equity(*moved(account, prices, 1 + (found - 1) * D(k) / 40)) > 0


def test_a_quanto_account_that_recovers_further_out_still_fails_first() -> None:
    """Long quanto with coin collateral: profit grows with the square, so free equity may dip and come back."""
    eth = Position(QUANTO, D(10_000), D(2500), D(2500), table(("1e9", "0.01")), settle="BTC")
    short = Position(contract("BTC"), D(-60), D(50_000), D(50_000), table(("1e9", "0.01")))
    account = Account("v", (("USDT", D(100_000)),), (eth, short), PLAIN)
    found = liquidation_factor(account, PRICES, up=True)
    assert isinstance(found, D) and found < 2
    assert abs(free_equity(*moved(account, PRICES, found))) < D("1e-20")
    assert free_equity(*moved(account, PRICES, D(100))) > 0


@settings(deadline=None, max_examples=70)
@given(accounts(most=3), st.booleans())
def test_one_contract_alone(case: tuple[Account, dict[str, D]], up: bool) -> None:
    account, prices = case
    assume(free_equity(account, prices) > 0)
    name = account.positions[0].contract.id
    found = contract_liquidation(account, prices, name, up=up)

    def alone(price: D) -> D:
        there = tuple(replace(p, mark=price) if p.contract.id == name else p for p in account.positions)
        return free_equity(replace(account, positions=there), prices)

    mark = account.positions[0].mark
    if isinstance(found, Unliquidatable):
        assert all(alone(mark * D(10) ** (k if up else -k)) > -D("1e-9") for k in (1, 3))
        return
    assume(found > 0)
    assert found >= mark if up else found <= mark
    tick = account.positions[0].contract.tick
    away = max(abs(found - mark) * D("1e-9"), 10 * tick)
    assert alone(found + (away if up else -away)) < 0
    assert alone(mark + (found - mark) * D("0.999999")) > 0


@settings(deadline=None)
@given(positions(), st.integers(1, 150))
def test_one_position_and_one_coin_is_the_isolated_formula(position: Position, percent: int) -> None:
    position = replace(position, at_entry=False, entry=position.mark)
    collateral = position.notional * percent / 100
    account = Account("v", ((position.asset, collateral),), (position,), one_coin("v", position.asset, DAY))
    assume(free_equity(account, PRICES) > 0)
    c = position.contract
    alone = isolated(c, position.quantity, position.entry, collateral, position.table, fee=position.fee)
    found = contract_liquidation(account, PRICES, c.id)
    if isinstance(alone, Unliquidatable):
        assert isinstance(found, Unliquidatable)
    else:
        assert isinstance(found, D)
        assert abs(found - alone.price) <= 2 * c.tick + D("1e-40") * alone.price


@settings(deadline=None)
@given(st.lists(positions(), min_size=1, max_size=4), st.integers(5, 200))
def test_shorts_in_cash_are_the_common_rise(held: list[Position], percent: int) -> None:
    shorts = [
        replace(p, quantity=-abs(p.quantity), at_entry=False)
        for p in held
        if p.contract.payoff is Payoff.LINEAR and p.contract.quote == "USDT"
    ]
    assume(shorts)
    wallet = sum((p.notional for p in shorts), D(0)) * percent / 100
    account = Account("v", (("USDT", wallet),), tuple(shorts), one_coin("v", "USDT", DAY))
    assume(free_equity(account, PRICES) > 0)
    found, rise = liquidation_factor(account, PRICES, up=True), common_rise(shorts, wallet)
    assert isinstance(found, D) and isinstance(rise, D)
    assert abs(found - 1 - rise) <= D("1e-15")
    if len({p.contract.id for p in shorts}) == len(shorts):
        one = contract_liquidation(account, PRICES, shorts[0].contract.id)
        cross = cross_liquidation(shorts, wallet, 0)
        assert isinstance(one, D) and isinstance(cross, Liquidation)
        assert abs(one - cross.price) <= D("1e-15") * one


@settings(deadline=None)
@given(accounts(), st.booleans(), st.integers(1, 10**5))
def test_more_cash_survives_more(case: tuple[Account, dict[str, D]], up: bool, more: int) -> None:
    account, prices = case
    assume(free_equity(account, prices) > 0)
    richer = replace(account, balances=tuple((a, x + more if a == "USDT" else x) for a, x in account.balances))
    near, far = (liquidation_factor(a, prices, up=up) for a in (account, richer))
    if isinstance(near, Unliquidatable):
        assert isinstance(far, Unliquidatable)
    elif isinstance(far, D):
        assert far > near if up else far < near


@settings(deadline=None)
@given(accounts(), st.booleans(), st.sampled_from([D("0.5"), D(3), D(1000)]))
def test_the_unit_of_account_does_not_matter(case: tuple[Account, dict[str, D]], up: bool, unit: D) -> None:
    account, prices = case
    here = liquidation_factor(account, prices, up=up)
    there = liquidation_factor(account, {a: p * unit for a, p in prices.items()}, up=up)
    if isinstance(here, Unliquidatable) or isinstance(there, Unliquidatable):
        assert type(here) is type(there)
    else:
        assert abs(here / there - 1) < D("1e-25")


@settings(deadline=None)
@given(accounts(), st.booleans())
def test_the_order_of_positions_does_not_matter(case: tuple[Account, dict[str, D]], up: bool) -> None:
    account, prices = case
    turned = replace(account, positions=account.positions[::-1], balances=account.balances[::-1])
    here, there = liquidation_factor(account, prices, up=up), liquidation_factor(turned, prices, up=up)
    assert isinstance(here, Unliquidatable) == isinstance(there, Unliquidatable)
    if isinstance(here, D) and isinstance(there, D):
        assert abs(here / there - 1) < D("1e-25")


def test_coin_collateral_fails_sooner_than_cash_in_a_fall() -> None:
    """A long backed by its own coin: in a fall both legs lose. 10,000 of collateral behind 20,000 of BTC, rate 1 %:
    cash: 10,000 + 20,000 (t - 1) = 200 t; coin: 10,000 t h + 20,000 (t - 1) = 200 t."""
    long = Position(contract(), D("0.4"), D(50_000), D(50_000), table(("1e9", "0.01")))
    cash = Account("v", (("USDT", D(10_000)),), (long,), PLAIN)
    coin = Account("v", (("BTC", D("0.2")),), (long,), HAIRCUTS)
    in_cash, in_coin = (liquidation_factor(a, PRICES, up=False) for a in (cash, coin))
    assert isinstance(in_cash, D) and isinstance(in_coin, D)
    assert abs(in_cash - D(10_000) / D(19_800)) < D("1e-25")
    assert abs(in_coin - D(20_000) / (D(9_500) + D(20_000) - D(200))) < D("1e-25")
    assert in_coin > in_cash
    assert isinstance(liquidation_factor(cash, PRICES, up=True), Unliquidatable)


def test_inverse_short_backed_by_its_coin_lives_through_everything() -> None:
    short = Position(contract("BTC", "USD", Payoff.INVERSE, size="100"), D(-500), D(50_000), D(50_000),
                     table(("1e9", "0.01")))  # fmt: skip
    full = Account("v", (("BTC", D(1)),), (short,), one_coin("v", "BTC", DAY))
    assert isinstance(liquidation_factor(full, PRICES, up=True), Unliquidatable)
    assert isinstance(contract_liquidation(full, PRICES, short.contract.id), Unliquidatable)
    cut = Account("v", (("BTC", D("0.6")),), (short,), one_coin("v", "BTC", DAY))
    assert isinstance(liquidation_factor(cut, PRICES, up=True), D)


def test_a_hedged_pair_has_one_price_for_both_legs() -> None:
    """Binance, cross margin, hedge mode: both legs share one liquidation price; equal legs are freed of price risk but
    for the maintenance margin, which grows with the price of both."""
    t = table(("1e9", "0.01"))
    legs = tuple(Position(contract(), q, D(50_000), D(50_000), t) for q in (D("-1"), D("1")))
    account = Account("v", (("USDT", D(2_000)),), legs, PLAIN)
    assert contract_liquidation(account, PRICES, legs[0].contract.id, up=True) == D(100_000)
    assert isinstance(contract_liquidation(account, PRICES, legs[0].contract.id, up=False), Unliquidatable)


@pytest.mark.parametrize(("amount", "price"), [("11.605", "33599.4"), ("11.81", "33578.8")])
def test_coin_margined_example(amount: str, price: str) -> None:
    """dev.binance.vision 6292 (2021): 101 BTC behind a long of 10,000,000 USD from 45,000. The venue's calculator shows
    33,599.40, which the later maintenance amount at 12.5 % gives (11.605 BTC); the older amount of the FAQ of
    2021-02-05 (11.81) gives the 33,578.86 that the asker computed."""
    t = table(("5", "0.004"), ("10", "0.005"), ("20", "0.01"), ("50", "0.025"), ("100", "0.05"), ("200", "0.1"),
              ("400", "0.125"))  # fmt: skip
    assert t.tiers[-1].deduction == D("11.605")
    t = replace(t, tiers=(*t.tiers[:-1], replace(t.tiers[-1], deduction=D(amount))))
    coin = contract("BTC", "USD", Payoff.INVERSE, size="100", tick="0.000001")
    position = Position(coin, D(100_000), D(45_000), D(45_000), t)
    account = Account("v", (("BTC", D(101)),), (position,), one_coin("v", "BTC", DAY))
    found = contract_liquidation(account, PRICES, coin.id)
    assert isinstance(found, D)
    assert found.quantize(D("0.1"), "ROUND_DOWN") == D(price)


def test_nonsense_is_refused() -> None:
    long = Position(contract(), D(1), D(1), D(1), table(("1e9", "0.01")))
    account = Account("v", (("USDT", D(1)),), (long,), PLAIN)
    with pytest.raises(UnavailableError, match="USDT"):
        liquidation_factor(account, {"BTC": D(1)}, up=True)
    with pytest.raises(InputError, match="no position"):
        contract_liquidation(account, PRICES, "v:other")
    with pytest.raises(InputError, match="different mark"):
        both = (long, replace(long, quantity=D(-1), mark=D(2)))
        contract_liquidation(replace(account, positions=both), PRICES, long.contract.id)
    assert equity(account, PRICES) == 1
    assert requirement(account, PRICES) == D("0.01")
