# pragma version 0.4.3
"""
@title An oracle without any guard, for tests of what a future endures
"""
flags: public(uint256)
price: public(uint256)


@external
def say(flags: uint256, price: uint256):
    self.flags = flags
    self.price = price


@external
def poke() -> (uint256, uint256):
    return self.flags, self.price
