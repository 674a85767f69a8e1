"""The pair token against the standards, with signatures made by an independent library."""

import pytest

from stormsail.protocol import WAD
from tests.protocol.chain import NOBODY, Reverted, keccak, person
from tests.protocol.world import World

eth_account = pytest.importorskip("eth_account", reason="not run: needs eth-account (extra onchain)")

KEY = "0x" + "07" * 32
OWNER = eth_account.Account.from_key(KEY).address.lower()
SPENDER = person("spender")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def world():
    made = World()
    made.future.mint(9 * WAD, OWNER, OWNER, 10**30, sender=person("ada"))
    return made


def signed(token, *, value=5, nonce=0, deadline=2**255, chain=1, contract=None, key=KEY, name=None):
    message = {"owner": OWNER, "spender": SPENDER, "value": value, "nonce": nonce, "deadline": deadline}
    fields = [("owner", "address"), ("spender", "address"), *((n, "uint256") for n in ("value", "nonce", "deadline"))]
    made = eth_account.Account.sign_typed_data(
        key,
        {
            "name": name or token.name(),
            "version": "1",
            "chainId": chain,
            "verifyingContract": contract or token.address,
        },
        {"Permit": [{"name": n, "type": t} for n, t in fields]},
        message,
    )
    return (OWNER, SPENDER, value, deadline, made.v, made.r.to_bytes(32, "big"), made.s.to_bytes(32, "big"))


def test_a_permit_allows_once(world):
    args = signed(world.short)
    world.short.permit(*args)
    assert world.short.events() == [("Approval", {"owner": OWNER, "spender": SPENDER, "value": 5})]
    assert (world.short.allowance(OWNER, SPENDER), world.short.nonces(OWNER)) == (5, 1)
    with pytest.raises(Reverted, match="signature"):
        world.short.permit(*args)
    world.short.permit(*signed(world.short, nonce=1, value=6))
    assert world.short.allowance(OWNER, SPENDER) == 6


@pytest.mark.parametrize(
    "wrong", [{"chain": 5}, {"nonce": 1}, {"contract": person("other")}, {"key": "0x" + "08" * 32}, {"name": "Other"}]
)
def test_a_permit_for_something_else_is_refused(world, wrong):
    with pytest.raises(Reverted, match="signature"):
        world.short.permit(*signed(world.short, **wrong))


def test_a_permit_for_one_leg_is_not_one_for_the_other(world):
    with pytest.raises(Reverted, match="signature"):
        world.long.permit(*signed(world.short))


def test_a_permit_changed_late_malleable_or_of_nobody_is_refused(world):
    owner, spender, value, deadline, v, r, s = signed(world.short)
    with pytest.raises(Reverted, match="signature"):
        world.short.permit(owner, spender, value + 1, deadline, v, r, s)
    twin = (ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    with pytest.raises(Reverted, match="signature"):
        world.short.permit(owner, spender, value, deadline, 55 - v, r, twin)
    with pytest.raises(Reverted, match="signature"):
        world.short.permit(NOBODY, spender, value, deadline, 99, r, s)
    with pytest.raises(Reverted, match="deadline"):
        world.short.permit(*signed(world.short, deadline=world.now - 1))


def test_the_domain_is_told_as_erc_5267_says(world):
    fields, name, version, chain, contract, salt, extensions = world.long.eip712Domain()
    assert (fields, name, version, chain) == (b"\x0f", "X-1 long", "1", 1)
    assert (contract, salt, extensions) == (world.long.address.lower(), b"\0" * 32, ())
    kind = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    words = [
        kind,
        keccak(text=name),
        keccak(text=version),
        chain.to_bytes(32, "big"),
        bytes(12) + bytes.fromhex(contract[2:]),
    ]
    assert world.long.DOMAIN_SEPARATOR() == keccak(b"".join(words))


def test_names_decimals_and_events_of_erc_20(world):
    assert (world.long.name(), world.long.symbol(), world.long.decimals()) == ("X-1 long", "X-1-L", 18)
    assert (world.short.name(), world.short.symbol()) == ("X-1 short", "X-1-S")
    assert world.long.transfer(SPENDER, 3, sender=OWNER) is True
    assert world.long.events() == [("Transfer", {"sender": OWNER, "receiver": SPENDER, "value": 3})]
    assert world.long.transfer(SPENDER, 0, sender=person("poor")) is True
    assert world.long.transfer(OWNER, 4, sender=OWNER) is True
    assert world.long.balanceOf(OWNER) == 9 * WAD - 3


def test_an_allowance_is_used_up_and_an_unlimited_one_is_not(world):
    world.long.approve(SPENDER, 5, sender=OWNER)
    assert world.long.transferFrom(OWNER, SPENDER, 5, sender=SPENDER) is True
    with pytest.raises(Reverted, match="allowance"):
        world.long.transferFrom(OWNER, SPENDER, 1, sender=SPENDER)
    world.long.approve(SPENDER, 2**256 - 1, sender=OWNER)
    world.long.transferFrom(OWNER, SPENDER, 5, sender=SPENDER)
    assert world.long.allowance(OWNER, SPENDER) == 2**256 - 1
    with pytest.raises(Reverted, match="no receiver"):
        world.long.transfer(NOBODY, 1, sender=OWNER)


def test_minting_with_a_permit_takes_an_allowance_that_was_already_used(world):
    """Somebody sent the permit ahead: the mint goes through on the allowance that it left."""
    ada = person("ada")
    before = world.long.totalSupply()
    world.future.mint_with_permit(WAD, ada, ada, 10**9, 2**255, 27, b"\1" * 32, b"\1" * 32, sender=ada)
    assert world.long.totalSupply() == before + WAD


def test_minting_with_a_permit_of_the_collateral_itself(world):
    """A series on top of a short token, whose permit is real."""
    token = world.short
    future = world.chain.deploy(
        "BandFuture", token.address, world.oracle.address, world.chain.blueprint("PairToken"), "Y", 1,
        50 * WAD, 51 * WAD, world.now + 40_000, 3_600, 20_000,
    )  # fmt: skip
    owner, _, value, deadline, *_ = signed(token, value=3 * WAD)
    made = eth_account.Account.sign_typed_data(
        KEY,
        {"name": token.name(), "version": "1", "chainId": 1, "verifyingContract": token.address},
        {"Permit": [{"name": n, "type": "address"} for n in ("owner", "spender")]
         + [{"name": n, "type": "uint256"} for n in ("value", "nonce", "deadline")]},
        {"owner": OWNER, "spender": future.address, "value": value, "nonce": 0, "deadline": deadline},
    )  # fmt: skip
    paid = future.mint_with_permit(
        WAD, owner, owner, value, deadline, made.v, made.r.to_bytes(32, "big"), made.s.to_bytes(32, "big"), sender=OWNER
    )
    assert paid == WAD and token.balanceOf(future.address) == WAD
