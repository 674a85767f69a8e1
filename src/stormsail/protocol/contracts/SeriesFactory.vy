# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Makes series of band futures and remembers them
@license Apache-2.0
@notice Anyone may create a series on a market that the keeper has opened and that has waited out its delay. The keeper
        decides which markets may have new series; over a series that exists, neither the keeper nor this contract has power.
"""

interface Oracle:
    def poke() -> (uint256, uint256): nonpayable
    def rules() -> Rules: view

# As the oracle adapter returns them.
struct Rules:
    heartbeat_a: uint256
    heartbeat_b: uint256
    lowest: uint256
    highest: uint256
    deviation: uint256
    jump: uint256
    release_count: uint256
    release_time: uint256
    halt_max: uint256
    cooldown: uint256
    resume_delay: uint256
    handover_delay: uint256

struct Market:
    ready_at: uint256  # 0: not open
    label: String[16]
    lot: uint256
    window: uint256
    grace: uint256

event MarketProposed:
    oracle: indexed(address)
    collateral: indexed(address)
    ready_at: uint256

event MarketClosed:
    oracle: indexed(address)
    collateral: indexed(address)

event SeriesCreated:
    series: indexed(address)
    oracle: indexed(address)
    collateral: indexed(address)
    number: uint256
    lower: uint256
    upper: uint256
    expiry: uint256

event KeeperNamed:
    keeper: indexed(address)
    at: uint256

event KeeperChanged:
    keeper: indexed(address)

DELAY: public(constant(uint256)) = 7 * 86_400
SHORTEST: public(constant(uint256)) = 86_400
LONGEST: public(constant(uint256)) = 2 * 365 * 86_400

TOKEN_BLUEPRINT: public(immutable(address))
FUTURE_BLUEPRINT: public(immutable(address))

keeper: public(address)
named: public(address)
named_from: public(uint256)
markets: public(HashMap[address, HashMap[address, Market]])
count: public(uint256)
series: public(HashMap[uint256, address])  # from 1
number_of: public(HashMap[address, uint256])  # 0: not made here
by_terms: public(HashMap[bytes32, address])


@deploy
def __init__(token_blueprint: address, future_blueprint: address, keeper: address):
    assert token_blueprint != empty(address) and future_blueprint != empty(address), "blueprints"
    TOKEN_BLUEPRINT = token_blueprint
    FUTURE_BLUEPRINT = future_blueprint
    self.keeper = keeper


@external
def propose_market(
    oracle: address, collateral: address, label: String[16], lot: uint256, window: uint256, grace: uint256
):
    """
    @notice The keeper opens a market; it can be used after DELAY. Proposing again starts the delay again.
    """
    assert msg.sender == self.keeper, "only keeper"
    assert len(label) > 0 and 0 < lot and lot <= 10**9, "market"
    assert 800 <= window and window <= 86_400 and grace <= 86_400 * 30, "market"
    rules: Rules = staticcall Oracle(oracle).rules()
    # One halt, however placed, leaves time to fill the window: it cannot push a series down the ladder.
    assert grace >= rules.halt_max + 2 * window and rules.cooldown >= 2 * window, "halt outlasts grace"
    ready_at: uint256 = block.timestamp + DELAY
    self.markets[oracle][collateral] = Market(ready_at=ready_at, label=label, lot=lot, window=window, grace=grace)
    log MarketProposed(oracle=oracle, collateral=collateral, ready_at=ready_at)


@external
def close_market(oracle: address, collateral: address):
    """
    @notice The keeper closes a market to new series at once. Series that exist go on as they were.
    """
    assert msg.sender == self.keeper, "only keeper"
    self.markets[oracle][collateral] = empty(Market)
    log MarketClosed(oracle=oracle, collateral=collateral)


@external
@nonreentrant
def create(oracle: address, collateral: address, lower: uint256, upper: uint256, expiry: uint256) -> address:
    """
    @notice Create a series. The price must count now and lie well inside the band.
    """
    market: Market = self.markets[oracle][collateral]
    assert market.ready_at != 0 and block.timestamp >= market.ready_at, "market not open"
    assert expiry >= block.timestamp + SHORTEST + market.window and expiry <= block.timestamp + LONGEST, "expiry"
    terms: bytes32 = keccak256(abi_encode(oracle, collateral, lower, upper, expiry))
    assert self.by_terms[terms] == empty(address), "exists"
    flags: uint256 = 0
    price: uint256 = 0
    flags, price = extcall Oracle(oracle).poke()
    assert flags == 0, "price refused"
    assert lower <= price * 9 // 10 and upper >= price * 11 // 10 and upper <= price * 10, "band"
    number: uint256 = self.count + 1
    future: address = create_from_blueprint(
        FUTURE_BLUEPRINT,
        collateral,
        oracle,
        TOKEN_BLUEPRINT,
        concat(market.label, "-", uint2str(number)),
        market.lot,
        lower,
        upper,
        expiry,
        market.window,
        market.grace,
    )
    self.count = number
    self.series[number] = future
    self.number_of[future] = number
    self.by_terms[terms] = future
    log SeriesCreated(
        series=future, oracle=oracle, collateral=collateral, number=number, lower=lower, upper=upper, expiry=expiry
    )
    return future


@external
def name_keeper(keeper: address):
    """
    @notice The keeper names a successor, who may accept after DELAY; the zero address takes the name back.
    """
    assert msg.sender == self.keeper, "only keeper"
    self.named = keeper
    self.named_from = block.timestamp + DELAY
    log KeeperNamed(keeper=keeper, at=self.named_from)


@external
def accept_keeper():
    assert msg.sender == self.named, "only named"
    assert block.timestamp >= self.named_from, "too early"
    self.keeper = msg.sender
    self.named = empty(address)
    log KeeperChanged(keeper=msg.sender)
