# pragma version 0.4.3
"""
@title A price feed that says what it is told, for tests
"""
answer: uint256
updated: uint256
said_decimals: uint256


@deploy
def __init__(decimals: uint256):
    self.said_decimals = decimals


@external
def say(answer: uint256, updated: uint256):
    self.answer = answer
    self.updated = updated


@external
def change_decimals(decimals: uint256):
    self.said_decimals = decimals


@external
@view
def decimals() -> uint256:
    return self.said_decimals


@external
@view
def latestRoundData() -> (uint256, uint256, uint256, uint256, uint256):
    return 1, self.answer, self.updated, self.updated, 1
