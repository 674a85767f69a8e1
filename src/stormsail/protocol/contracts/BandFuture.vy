# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title A future within a band: a long and a short token that share one fully paid pot
@license Apache-2.0
@notice At a final price p, held within [lower, upper], 1e18 long tokens receive p - lower and 1e18 short tokens receive
        upper - p, together upper - lower, which was paid when the pair was minted. Nothing can be liquidated, no one is
        owed more than the pot holds, and no key moves collateral, stops a redemption or changes a term.
@dev    Prices are in 1e18ths of the quote currency, tokens have 18 decimals, collateral is in its own units.
"""
from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed

interface Token:
    def mint(to: address, amount: uint256): nonpayable
    def burn(owner: address, amount: uint256): nonpayable
    def totalSupply() -> uint256: view

interface Oracle:
    def poke() -> (uint256, uint256): nonpayable

event Minted:
    payer: indexed(address)
    long_to: indexed(address)
    short_to: indexed(address)
    amount: uint256
    cost: uint256

event Redeemed:
    owner: indexed(address)
    to: indexed(address)
    amount: uint256
    paid: uint256

event Checkpoint:
    price: uint256
    covered: uint256

event Settled:
    price: uint256
    source: uint256

event Claimed:
    owner: indexed(address)
    to: indexed(address)
    long_amount: uint256
    short_amount: uint256
    paid: uint256

WAD: constant(uint256) = 10**18
MAX_SUPPLY: constant(uint256) = 10**30  # with MAX_PAIR: no product below exceeds 10**75, so none overflows
MAX_PAIR: constant(uint256) = 10**27
MAX_PRICE: constant(uint256) = 2**128  # and no oracle, however wrong, can make the sum of a window overflow

# Where the final price came from, best first.
WINDOW_AVERAGE: constant(uint256) = 1
PARTIAL_AVERAGE: constant(uint256) = 2
LAST_CHECKPOINT: constant(uint256) = 3
MIDPOINT: constant(uint256) = 4

COLLATERAL: public(immutable(address))
ORACLE: public(immutable(address))
LONG: public(immutable(address))
SHORT: public(immutable(address))
LOWER: public(immutable(uint256))
UPPER: public(immutable(uint256))
EXPIRY: public(immutable(uint256))
WINDOW: public(immutable(uint256))  # the average is taken over these seconds before expiry
HOLD: public(immutable(uint256))  # a checkpoint speaks for at most these seconds after it
NEED: public(immutable(uint256))  # seconds that must be spoken for
GRACE: public(immutable(uint256))  # seconds after expiry in which a short window may still be filled
UNIT: public(immutable(uint256))  # collateral units per 1e18 tokens and per 1.0 of price
PAIR: public(immutable(uint256))  # collateral units per 1e18 pairs

backing: public(uint256)  # collateral that belongs to holders; what else lies here was sent by mistake
price: public(uint256)  # last checkpoint
price_at: public(uint256)
weighted: public(uint256)  # sum of price x seconds over what is spoken for, up to the last checkpoint
covered: public(uint256)  # those seconds
settled: public(bool)
final_price: public(uint256)
source: public(uint256)


@deploy
def __init__(
    collateral: address,
    oracle: address,
    token_blueprint: address,
    stem: String[100],
    lot: uint256,
    lower: uint256,
    upper: uint256,
    expiry: uint256,
    window: uint256,
    grace: uint256,
):
    """
    @param stem Name of the series; the tokens add their side.
    @param lot Units of the underlying that 1e18 tokens stand for.
    """
    assert lower < upper, "band"
    assert 0 < lot and lot <= 10**9, "lot"
    assert 800 <= window and window <= 86_400, "window"
    assert window <= grace and grace <= 86_400 * 30, "grace"
    assert expiry > block.timestamp + window, "expiry"
    decimals: uint8 = staticcall IERC20Detailed(collateral).decimals()
    assert decimals <= 18, "decimals"
    unit: uint256 = lot * 10 ** convert(decimals, uint256)
    assert (upper - lower) * unit % WAD == 0, "width does not divide"
    assert (upper - lower) * unit // WAD <= MAX_PAIR, "width"
    COLLATERAL = collateral
    ORACLE = oracle
    LOWER = lower
    UPPER = upper
    EXPIRY = expiry
    WINDOW = window
    HOLD = window // 8
    NEED = window // 2
    GRACE = grace
    UNIT = unit
    PAIR = (upper - lower) * unit // WAD
    LONG = create_from_blueprint(token_blueprint, concat(stem, " long"), concat(stem, "-L"))
    SHORT = create_from_blueprint(token_blueprint, concat(stem, " short"), concat(stem, "-S"))


@external
@nonreentrant
def mint(amount: uint256, long_to: address, short_to: address, max_cost: uint256) -> uint256:
    """
    @notice Pay for `amount` pairs and send their legs where you like. Needs a price that counts, which becomes a
            checkpoint: a series with holders has always seen a price.
    @return What was paid.
    """
    return self._mint(amount, long_to, short_to, max_cost)


@external
@nonreentrant
def mint_with_permit(
    amount: uint256,
    long_to: address,
    short_to: address,
    max_cost: uint256,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
) -> uint256:
    """
    @notice The same with an EIP-2612 permit of the collateral over exactly `max_cost`.
    """
    # Its failure is passed over: somebody may have sent the permit ahead, and then the allowance is there.
    ok: bool = raw_call(
        COLLATERAL,
        abi_encode(
            msg.sender, self, max_cost, deadline, v, r, s,
            method_id=method_id("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"),
        ),
        revert_on_failure=False,
    )
    return self._mint(amount, long_to, short_to, max_cost)


@external
@nonreentrant
def redeem(amount: uint256, to: address) -> uint256:
    """
    @notice Give `amount` of both legs back for their collateral, at any time. Asks no oracle and no one.
    @return What was received.
    """
    assert amount > 0, "nothing"
    assert to != empty(address), "no receiver"
    paid: uint256 = amount * PAIR // WAD
    extcall Token(LONG).burn(msg.sender, amount)
    extcall Token(SHORT).burn(msg.sender, amount)
    log Redeemed(owner=msg.sender, to=to, amount=amount, paid=paid)
    self._pay(to, paid)
    return paid


@external
@nonreentrant
def checkpoint():
    """
    @notice Record the price now. Inside the window before expiry it counts towards the final price.
    """
    assert not self.settled, "settled"
    self._checkpoint()


@external
@nonreentrant
def settle() -> uint256:
    """
    @notice Fix the final price: once, by anyone, from checkpoints alone. At the latest at expiry + grace this cannot fail.
    """
    assert not self.settled, "settled"
    self._settle()
    return self.final_price


@external
@nonreentrant
def claim(long_amount: uint256, short_amount: uint256, to: address, min_paid: uint256) -> uint256:
    """
    @notice After expiry: give legs, in any mixture, for what the final price makes them worth; settles first if need be.
    @return What was received.
    """
    assert to != empty(address), "no receiver"
    assert long_amount > 0 or short_amount > 0, "nothing"
    if not self.settled:
        self._settle()
    if long_amount > 0:
        extcall Token(LONG).burn(msg.sender, long_amount)
    if short_amount > 0:
        extcall Token(SHORT).burn(msg.sender, short_amount)
    paid: uint256 = self._worth(long_amount, short_amount)
    assert paid >= min_paid, "below minimum"
    log Claimed(owner=msg.sender, to=to, long_amount=long_amount, short_amount=short_amount, paid=paid)
    self._pay(to, paid)
    return paid


@external
@view
def cost(amount: uint256) -> uint256:
    """
    @notice Collateral that minting `amount` pairs takes, rounded up.
    """
    return self._cost(amount)


@external
@view
def preview_claim(long_amount: uint256, short_amount: uint256) -> uint256:
    """
    @notice What a claim would receive now; fails while there is no final price.
    """
    assert self.settled, "not settled"
    assert max(long_amount, short_amount) <= MAX_SUPPLY, "too many"
    return self._worth(long_amount, short_amount)


@external
@view
def covered_until_now() -> uint256:
    """
    @notice Seconds of the window that checkpoints speak for by now; `NEED` of them make the average final.
    """
    total: uint256 = 0
    covered: uint256 = 0
    total, covered = self._covered()
    return covered


@internal
@view
def _cost(amount: uint256) -> uint256:
    assert amount <= MAX_SUPPLY, "too many"
    return (amount * PAIR + WAD - 1) // WAD


@internal
@view
def _worth(long_amount: uint256, short_amount: uint256) -> uint256:
    # One floor over the sum of both legs: a pair is worth the same as in `redeem`, whatever the price.
    worth: uint256 = long_amount * (self.final_price - LOWER) + short_amount * (UPPER - self.final_price)
    return worth * UNIT // (WAD * WAD)


@internal
def _mint(amount: uint256, long_to: address, short_to: address, max_cost: uint256) -> uint256:
    assert amount > 0, "nothing"
    assert block.timestamp < EXPIRY, "expired"
    cost: uint256 = self._cost(amount)
    assert cost <= max_cost, "above maximum"
    assert staticcall Token(LONG).totalSupply() + amount <= MAX_SUPPLY, "too many"
    self._checkpoint()
    before: uint256 = staticcall IERC20(COLLATERAL).balanceOf(self)
    assert extcall IERC20(COLLATERAL).transferFrom(msg.sender, self, cost, default_return_value=True), "not paid"
    assert staticcall IERC20(COLLATERAL).balanceOf(self) == before + cost, "not paid in full"
    self.backing += cost
    extcall Token(LONG).mint(long_to, amount)
    extcall Token(SHORT).mint(short_to, amount)
    log Minted(payer=msg.sender, long_to=long_to, short_to=short_to, amount=amount, cost=cost)
    return cost


@internal
def _pay(to: address, amount: uint256):
    self.backing -= amount
    if amount > 0:
        assert extcall IERC20(COLLATERAL).transfer(to, amount, default_return_value=True), "not paid"


@internal
def _checkpoint():
    total: uint256 = 0
    covered: uint256 = 0
    total, covered = self._covered()
    if block.timestamp >= EXPIRY:
        assert block.timestamp < EXPIRY + GRACE and covered < NEED, "closed"
    flags: uint256 = 0
    price: uint256 = 0
    flags, price = extcall Oracle(ORACLE).poke()
    assert flags == 0 and price <= MAX_PRICE, "price refused"
    self.weighted = total
    self.covered = covered
    self.price = price
    self.price_at = block.timestamp
    log Checkpoint(price=price, covered=covered)


@internal
@view
def _covered() -> (uint256, uint256):
    """
    @dev Sum of price x seconds and the seconds spoken for by now. A price speaks from its checkpoint to the next one, but
         for at most HOLD, and within the window; after expiry only for what the window still needs, so that the sum
         depends on the checkpoints and not on when somebody asks.
    """
    total: uint256 = self.weighted
    covered: uint256 = self.covered
    start: uint256 = max(self.price_at, EXPIRY - WINDOW)
    end: uint256 = min(min(block.timestamp, EXPIRY + GRACE), self.price_at + HOLD)
    if self.price_at == 0 or end <= start:
        return total, covered
    inside: uint256 = 0
    if start < EXPIRY:
        inside = min(end, EXPIRY) - start
    late: uint256 = end - start - inside
    if late > 0:
        late = min(late, NEED - min(NEED, covered + inside))
    return total + self.price * (inside + late), covered + inside + late


@internal
def _settle():
    assert block.timestamp >= EXPIRY, "not expired"
    total: uint256 = 0
    covered: uint256 = 0
    total, covered = self._covered()
    price: uint256 = self.price
    source: uint256 = LAST_CHECKPOINT
    if covered >= NEED:
        price = total // covered
        source = WINDOW_AVERAGE
    else:
        assert block.timestamp >= EXPIRY + GRACE, "window open"
        if covered > 0:
            price = total // covered
            source = PARTIAL_AVERAGE
        elif self.price_at == 0:
            price = (LOWER + UPPER) // 2
            source = MIDPOINT
    self.final_price = max(LOWER, min(price, UPPER))
    self.source = source
    self.settled = True
    log Settled(price=price, source=source)
