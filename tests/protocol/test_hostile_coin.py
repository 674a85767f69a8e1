"""Collateral that cheats, lies, calls back or blocks: nobody gets more than theirs, and no one else is held up."""

import pytest

from stormsail.protocol import WAD
from tests.protocol.chain import Reverted, person
from tests.protocol.world import World

FEE, MUTE, LIAR, DENY, REENTER, GREEDY = 1, 2, 3, 4, 5, 6
ADA, BOB = person("ada"), person("bob")
EMPTY = "0x" + "00" * 20


@pytest.fixture
def world():
    made = World()
    made.future.mint(10 * WAD, ADA, BOB, 10**30, sender=ADA)
    return made


def behave(world, mode, data=b""):
    world.coin.misbehave(mode, world.future.address if data else EMPTY, data)


@pytest.mark.parametrize("mode", [FEE, LIAR, DENY, GREEDY])
def test_a_coin_that_does_not_deliver_exactly_what_was_asked_mints_nothing(world, mode):
    behave(world, mode)
    with pytest.raises(Reverted, match="not paid"):
        world.future.mint(WAD, ADA, ADA, 10**30, sender=ADA)
    assert world.long.totalSupply() == 10 * WAD
    assert world.future.backing() == 1_000_000_000


def test_a_coin_that_returns_nothing_is_money_all_the_same(world):
    behave(world, MUTE)
    assert world.future.mint(WAD, ADA, ADA, 10**30, sender=ADA) == 100_000_000
    assert world.future.redeem(WAD, ADA, sender=ADA) == 100_000_000
    assert world.future.backing() == world.coin.balanceOf(world.future.address) == 1_000_000_000


def test_a_payment_that_says_no_gives_the_tokens_back(world):
    world.short.transfer(ADA, WAD, sender=BOB)
    behave(world, DENY)
    with pytest.raises(Reverted, match="not paid"):
        world.future.redeem(WAD, ADA, sender=ADA)
    assert world.long.balanceOf(ADA) == 10 * WAD
    assert world.future.backing() == 1_000_000_000


def test_a_blocked_holder_can_be_paid_elsewhere_and_holds_nobody_up(world):
    world.chain.warp(world.terms.expiry + world.terms.grace)
    world.coin.block(BOB, True)
    with pytest.raises(Reverted, match="blocked"):
        world.future.claim(0, 10 * WAD, BOB, 0, sender=BOB)
    assert world.future.claim(10 * WAD, 0, ADA, 0, sender=ADA) == 500_000_000
    assert world.future.claim(0, 10 * WAD, person("elsewhere"), 0, sender=BOB) == 500_000_000
    assert world.future.backing() == 0


ACTS = ("mint", "mint_with_permit", "redeem", "checkpoint", "settle", "claim")


@pytest.mark.parametrize("inner", ACTS)
@pytest.mark.parametrize("outer", ["mint", "redeem", "claim"])
def test_calling_back_in_the_middle_of_a_payment_gets_nowhere(world, inner, outer):
    coin = world.coin.address  # the coin itself holds tokens and money: only the lock stands in its way
    world.coin.give(coin, 10**12)
    world.coin.act(coin, world.coin.data("approve", world.future.address, 2**256 - 1))
    world.long.transfer(coin, 3 * WAD, sender=ADA)
    world.short.transfer(coin, 3 * WAD, sender=BOB)
    world.short.transfer(ADA, 3 * WAD, sender=BOB)
    if outer == "claim":
        world.chain.warp(world.terms.expiry + world.terms.grace)
    args = {
        "mint": (WAD, coin, coin, 10**30),
        "mint_with_permit": (WAD, coin, coin, 10**30, 2**255, 27, b"\1" * 32, b"\1" * 32),
        "redeem": (WAD, coin),
        "checkpoint": (),
        "settle": (),
        "claim": (WAD, WAD, coin, 0),
    }
    behave(world, REENTER, world.future.data(inner, *args[inner]))
    before = world.coin.balanceOf(coin)
    calls = {"mint": (WAD, ADA, ADA, 10**30), "redeem": (WAD, ADA), "claim": (WAD, WAD, ADA, 0)}
    getattr(world.future, outer)(*calls[outer], sender=ADA)
    assert (world.coin.entered(), world.coin.refused()) == (0, 1)
    assert world.coin.balanceOf(coin) == before
    assert world.future.backing() == world.coin.balanceOf(world.future.address)


def test_the_same_calls_by_themselves_go_through(world):
    """So the test above proves the lock and not some other refusal."""
    coin = world.coin.address
    world.coin.give(coin, 10**12)
    world.coin.act(coin, world.coin.data("approve", world.future.address, 2**256 - 1))
    for act, args in (("mint", (3 * WAD, coin, coin, 10**30)), ("redeem", (WAD, coin)), ("checkpoint", ())):
        world.coin.act(world.future.address, world.future.data(act, *args))
    world.chain.warp(world.terms.expiry + world.terms.grace)
    for act, args in (("settle", ()), ("claim", (WAD, WAD, coin, 0))):
        world.coin.act(world.future.address, world.future.data(act, *args))
    assert world.coin.balanceOf(coin) == 10**12 - 100_000_000


def test_what_is_sent_by_mistake_stays_outside_the_pot(world):
    world.coin.give(world.future.address, 777)
    world.chain.warp(world.terms.expiry + world.terms.grace)
    world.future.claim(10 * WAD, 0, ADA, 0, sender=ADA)
    world.future.claim(0, 10 * WAD, BOB, 0, sender=BOB)
    assert world.future.backing() == 0
    assert world.coin.balanceOf(world.future.address) == 777
