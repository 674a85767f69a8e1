# pragma version 0.4.3
"""
@title A collateral coin that can be made to misbehave, for tests
"""
OK: constant(uint256) = 0
FEE: constant(uint256) = 1  # the receiver gets one unit less
MUTE: constant(uint256) = 2  # moves, and returns nothing
LIAR: constant(uint256) = 3  # does not move, and returns true
DENY: constant(uint256) = 4  # does not move, and returns false
REENTER: constant(uint256) = 5  # calls back in the middle of a transfer
GREEDY: constant(uint256) = 6  # moves more into the receiver than was asked

decimals: public(uint8)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
blocked: public(HashMap[address, bool])
mode: public(uint256)
target: public(address)
data: public(Bytes[1024])
entered: public(uint256)
refused: public(uint256)


@deploy
def __init__(decimals: uint8):
    self.decimals = decimals


@external
def misbehave(mode: uint256, target: address, data: Bytes[1024]):
    self.mode = mode
    self.target = target
    self.data = data


@external
def act(target: address, data: Bytes[1024]):
    """
    @notice The coin calls somebody, as itself.
    """
    raw_call(target, data)


@external
def block(who: address, blocked: bool):
    self.blocked[who] = blocked


@external
def give(to: address, amount: uint256):
    self.balanceOf[to] += amount


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
@raw_return
def transfer(to: address, amount: uint256) -> Bytes[32]:
    return self._move(msg.sender, to, amount)


@external
@raw_return
def transferFrom(owner: address, to: address, amount: uint256) -> Bytes[32]:
    assert self.allowance[owner][msg.sender] >= amount, "allowance"
    if self.allowance[owner][msg.sender] != max_value(uint256):
        self.allowance[owner][msg.sender] -= amount
    return self._move(owner, to, amount)


@internal
def _move(owner: address, to: address, amount: uint256) -> Bytes[32]:
    assert not self.blocked[owner] and not self.blocked[to], "blocked"
    if self.mode == LIAR:
        return abi_encode(True)
    if self.mode == DENY:
        return abi_encode(False)
    assert self.balanceOf[owner] >= amount, "balance"
    if self.mode == REENTER:
        ok: bool = raw_call(self.target, self.data, revert_on_failure=False)
        if ok:
            self.entered += 1
        else:
            self.refused += 1
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount
    if self.mode == FEE:
        self.balanceOf[to] -= 1
    if self.mode == GREEDY:
        self.balanceOf[to] += 1
    if self.mode == MUTE:
        return b""
    return abi_encode(True)
