# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title One leg of a band future: an ERC-20 with permit that only its core can mint and burn
@license Apache-2.0
@notice No owner, no pause, no hook, no fee. ERC-20, EIP-2612, EIP-712, ERC-5267.
"""
from ethereum.ercs import IERC20

implements: IERC20

DOMAIN: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
PERMIT: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)
VERSION: constant(String[1]) = "1"
# EIP-2: of the two signatures (s, n - s) only the lower one counts.
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

decimals: public(constant(uint8)) = 18
NAME: immutable(String[128])
SYMBOL: immutable(String[128])
CORE: public(immutable(address))

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
nonces: public(HashMap[address, uint256])


@deploy
def __init__(name: String[128], symbol: String[128]):
    NAME = name
    SYMBOL = symbol
    CORE = msg.sender


@external
@view
def name() -> String[128]:
    return NAME


@external
@view
def symbol() -> String[128]:
    return SYMBOL


@external
def transfer(to: address, amount: uint256) -> bool:
    self._move(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    allowed: uint256 = self.allowance[owner][msg.sender]
    if allowed != max_value(uint256):
        assert allowed >= amount, "allowance"
        self._approve(owner, msg.sender, allowed - amount)
    self._move(owner, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self._approve(msg.sender, spender, amount)
    return True


@external
def permit(owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    """
    @notice EIP-2612: an allowance by signature. Signatures of contracts (ERC-1271) are not taken.
    """
    assert block.timestamp <= deadline, "deadline"
    assert convert(s, uint256) <= HALF_ORDER, "signature"
    nonce: uint256 = self.nonces[owner]
    message: bytes32 = keccak256(abi_encode(PERMIT, owner, spender, amount, nonce, deadline))
    digest: bytes32 = keccak256(concat(x"1901", self._domain(), message))
    signer: address = ecrecover(digest, v, r, s)
    assert signer != empty(address) and signer == owner, "signature"
    self.nonces[owner] = nonce + 1
    self._approve(owner, spender, amount)


@external
def mint(to: address, amount: uint256):
    assert msg.sender == CORE, "only core"
    assert to != empty(address), "no receiver"
    self.totalSupply += amount
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=empty(address), receiver=to, value=amount)


@external
def burn(owner: address, amount: uint256):
    assert msg.sender == CORE, "only core"
    assert self.balanceOf[owner] >= amount, "balance"
    self.balanceOf[owner] -= amount
    self.totalSupply -= amount
    log IERC20.Transfer(sender=owner, receiver=empty(address), value=amount)


@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    return self._domain()


@external
@view
def eip712Domain() -> (bytes1, String[128], String[1], uint256, address, bytes32, DynArray[uint256, 1]):
    return 0x0f, NAME, VERSION, chain.id, self, empty(bytes32), []


@internal
@view
def _domain() -> bytes32:
    # Read at every call: after a fork of the chain a signature counts on one side only.
    return keccak256(abi_encode(DOMAIN, keccak256(NAME), keccak256(VERSION), chain.id, self))


@internal
def _approve(owner: address, spender: address, amount: uint256):
    self.allowance[owner][spender] = amount
    log IERC20.Approval(owner=owner, spender=spender, value=amount)


@internal
def _move(owner: address, to: address, amount: uint256):
    assert to != empty(address), "no receiver"
    assert self.balanceOf[owner] >= amount, "balance"
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=owner, receiver=to, value=amount)
