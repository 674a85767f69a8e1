# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title A price that two independent sources agree on, or none
@license Apache-2.0
@notice Prices are in 1e18ths. A price counts when no flag is raised. Nobody can set one. Whatever a source does, reading it
        never fails here: it raises a flag. The guardian can stop the price at once, for a bounded time, and nothing else.
"""

# What may be wrong, one bit each; the flags of the second source are those of the first, four bits higher.
BAD: constant(uint256) = 1  # no answer, a short one, not positive, absurdly large, or other decimals than at deployment
STALE: constant(uint256) = 2
FUTURE: constant(uint256) = 4
BOUNDS: constant(uint256) = 8  # at or beyond the bounds
DEVIATION: constant(uint256) = 256  # the sources disagree
JUMP: constant(uint256) = 512  # too far from the last accepted price
SEQUENCER: constant(uint256) = 1024  # the sequencer of a second layer is down, or up for too short a time
HALTED: constant(uint256) = 2048

BPS: constant(uint256) = 10_000
FEED_GAS: constant(uint256) = 150_000
LARGEST: constant(uint256) = 2**128 - 1

struct Rules:
    heartbeat_a: uint256  # oldest answer of the first source that counts, seconds
    heartbeat_b: uint256
    lowest: uint256  # a price at or below is refused, 1e18ths
    highest: uint256  # a price at or above is refused
    deviation: uint256  # largest distance of the sources, basis points of the lower
    jump: uint256  # largest step from the last accepted price, basis points of it
    release_count: uint256  # agreeing observations that re-anchor after a jump
    release_time: uint256  # and the seconds they must span
    halt_max: uint256  # longest halt, seconds
    cooldown: uint256  # shortest time between the end of a halt and the next one
    resume_delay: uint256  # from asking for an end of a halt to its end
    handover_delay: uint256  # from naming another guardian to their taking over

event Accepted:
    price: uint256
    released: bool

event Doubted:
    price: uint256
    count: uint256

event Halted:
    until: uint256

event ResumeAsked:
    at: uint256

event GuardianNamed:
    guardian: indexed(address)
    at: uint256

event GuardianChanged:
    guardian: indexed(address)

FEED_A: public(immutable(address))
FEED_B: public(immutable(address))
SEQUENCER_FEED: public(immutable(address))
SEQUENCER_GRACE: public(immutable(uint256))
DECIMALS_A: public(immutable(uint256))
DECIMALS_B: public(immutable(uint256))
RULES: immutable(Rules)

price: public(uint256)  # last accepted
price_at: public(uint256)
doubt_price: public(uint256)  # a jump on trial: the price that began it, since when, last seen, how often
doubt_from: public(uint256)
doubt_at: public(uint256)
doubt_count: public(uint256)
guardian: public(address)
named: public(address)
named_from: public(uint256)
halted_until: public(uint256)


@deploy
def __init__(
    feed_a: address,
    feed_b: address,
    sequencer: address,
    sequencer_grace: uint256,
    guardian: address,
    reference: uint256,
    rules: Rules,
):
    """
    @param sequencer Feed that answers 0 while the sequencer is up; none with the zero address.
    @param reference What the price is known to be, roughly: against feeds that quote something else.
    """
    assert feed_a != feed_b and feed_a != empty(address) and feed_b != empty(address), "feeds"
    assert 0 < rules.lowest and rules.lowest < rules.highest and rules.highest <= LARGEST, "bounds"
    assert 60 <= min(rules.heartbeat_a, rules.heartbeat_b), "heartbeat"
    assert max(rules.heartbeat_a, rules.heartbeat_b) <= 86_400 * 2, "heartbeat"
    assert 0 < rules.deviation and rules.deviation <= 1_000, "deviation"
    assert rules.deviation < rules.jump and rules.jump <= 5_000, "jump"
    assert 3 <= rules.release_count and rules.release_count <= 32, "release"
    assert 300 <= rules.release_time and rules.release_time <= 86_400, "release"
    assert 0 < rules.resume_delay and rules.resume_delay <= rules.halt_max and rules.halt_max <= 86_400 * 7, "halt"
    assert rules.halt_max <= rules.cooldown and rules.cooldown <= 86_400 * 90, "halt"
    assert 86_400 <= rules.handover_delay and rules.handover_delay <= 86_400 * 90, "handover"
    assert sequencer_grace <= 86_400, "sequencer"
    FEED_A = feed_a
    FEED_B = feed_b
    SEQUENCER_FEED = sequencer
    SEQUENCER_GRACE = sequencer_grace
    RULES = rules
    decimals_a: uint256 = self._decimals(feed_a)
    decimals_b: uint256 = self._decimals(feed_b)
    assert max(decimals_a, decimals_b) <= 30, "decimals"
    DECIMALS_A = decimals_a
    DECIMALS_B = decimals_b
    self.guardian = guardian

    flags: uint256 = 0
    price: uint256 = 0
    flags, price = self._look(
        feed_a, feed_b, decimals_a, decimals_b, sequencer, sequencer_grace, rules
    )
    assert flags == 0, "no price"
    assert self._near(price, reference, rules.jump), "reference"
    self.price = price
    self.price_at = block.timestamp


@external
@view
def rules() -> Rules:
    return RULES


@external
@view
def read() -> (uint256, uint256):
    """
    @notice The flags, and the price now; the price means nothing when a flag is raised. Never fails.
    """
    return self._read()


@external
def poke() -> (uint256, uint256):
    """
    @notice Read, and remember a price that counts. A jump is put on trial: it is believed after `release_count` agreeing
            observations, evenly spaced over at least `release_time`, with a new answer of both sources since it began.
    @dev A bad reading changes nothing, so nobody can disturb a trial by starving the call of gas.
    """
    flags: uint256 = 0
    price: uint256 = 0
    flags, price = self._read()
    if flags == JUMP and self._tried(price):
        self._accept(price, True)
        return 0, price
    if flags == 0:
        self._accept(price, False)
    return flags, price


@external
def halt():
    """
    @notice The guardian stops the price at once, for `halt_max`. It starts again by itself, and cannot be stopped again
            before `cooldown` has passed.
    """
    assert msg.sender == self.guardian, "only guardian"
    assert self.halted_until == 0 or block.timestamp >= self.halted_until + RULES.cooldown, "cooldown"
    self.halted_until = block.timestamp + RULES.halt_max
    log Halted(until=self.halted_until)


@external
def ask_resume():
    """
    @notice The guardian brings the end of the halt nearer: to `resume_delay` from now.
    """
    assert msg.sender == self.guardian, "only guardian"
    assert block.timestamp < self.halted_until, "not halted"
    self.halted_until = min(self.halted_until, block.timestamp + RULES.resume_delay)
    log ResumeAsked(at=self.halted_until)


@external
def name_guardian(guardian: address):
    """
    @notice The guardian names a successor, who may accept after `handover_delay`; the zero address takes the name back.
    """
    assert msg.sender == self.guardian, "only guardian"
    self.named = guardian
    self.named_from = block.timestamp + RULES.handover_delay
    log GuardianNamed(guardian=guardian, at=self.named_from)


@external
def accept_guardian():
    assert msg.sender == self.named, "only named"
    assert block.timestamp >= self.named_from, "too early"
    self.guardian = msg.sender
    self.named = empty(address)
    log GuardianChanged(guardian=msg.sender)


@internal
@view
def _read() -> (uint256, uint256):
    flags: uint256 = 0
    price: uint256 = 0
    flags, price = self._look(FEED_A, FEED_B, DECIMALS_A, DECIMALS_B, SEQUENCER_FEED, SEQUENCER_GRACE, RULES)
    if flags == 0 and not self._near(price, self.price, RULES.jump):
        flags = JUMP
    if block.timestamp < self.halted_until:
        flags |= HALTED
    return flags, price


@internal
def _accept(price: uint256, released: bool):
    self.price = price
    self.price_at = block.timestamp
    self.doubt_count = 0
    log Accepted(price=price, released=released)


@internal
def _tried(price: uint256) -> bool:
    """
    @dev Count an observation of a jump; whether the jump has stood its trial.
    """
    spacing: uint256 = RULES.release_time // (RULES.release_count - 1)
    agrees: bool = self.doubt_count > 0 and self._near(price, self.doubt_price, RULES.jump)
    if not agrees or block.timestamp > self.doubt_at + 4 * spacing:
        self.doubt_price = price
        self.doubt_from = block.timestamp
        self.doubt_at = block.timestamp
        self.doubt_count = 1
    elif block.timestamp >= self.doubt_at + spacing:
        self.doubt_at = block.timestamp
        self.doubt_count += 1
    log Doubted(price=price, count=self.doubt_count)
    if self.doubt_count < RULES.release_count or block.timestamp < self.doubt_from + RULES.release_time:
        return False
    return min(self._updated(FEED_A), self._updated(FEED_B)) > self.doubt_from


@internal
@pure
def _near(price: uint256, anchor: uint256, bps: uint256) -> bool:
    return (max(price, anchor) - min(price, anchor)) * BPS <= bps * anchor


@internal
@view
def _look(
    feed_a: address,
    feed_b: address,
    decimals_a: uint256,
    decimals_b: uint256,
    sequencer: address,
    grace: uint256,
    rules: Rules,
) -> (uint256, uint256):
    flags_a: uint256 = 0
    flags_b: uint256 = 0
    a: uint256 = 0
    b: uint256 = 0
    flags_a, a = self._source(feed_a, decimals_a, rules.heartbeat_a, rules)
    flags_b, b = self._source(feed_b, decimals_b, rules.heartbeat_b, rules)
    flags: uint256 = flags_a | (flags_b << 4)
    if flags == 0 and (max(a, b) - min(a, b)) * BPS > rules.deviation * min(a, b):
        flags = DEVIATION
    if sequencer != empty(address) and not self._sequencer_up(sequencer, grace):
        flags |= SEQUENCER
    return flags, (a + b) // 2


@internal
@view
def _source(feed: address, decimals: uint256, heartbeat: uint256, rules: Rules) -> (uint256, uint256):
    ok: bool = False
    answer: uint256 = 0
    updated: uint256 = 0
    ok, answer, updated = self._round(feed)
    # A negative answer, read without its sign, is larger than the largest.
    if not ok or answer == 0 or answer > LARGEST or self._decimals(feed) != decimals:
        return BAD, 0
    price: uint256 = 0
    if decimals <= 18:
        price = answer * 10 ** (18 - decimals)
    else:
        price = answer // 10 ** (decimals - 18)
    flags: uint256 = 0
    if updated > block.timestamp:
        flags = FUTURE
    elif block.timestamp - updated > heartbeat:
        flags = STALE
    if price <= rules.lowest or price >= rules.highest:
        flags |= BOUNDS
    return flags, price


@internal
@view
def _sequencer_up(feed: address, grace: uint256) -> bool:
    ok: bool = False
    data: Bytes[160] = b""
    ok, data = raw_call(
        feed, method_id("latestRoundData()"), max_outsize=160, gas=FEED_GAS, is_static_call=True, revert_on_failure=False
    )
    if not ok or len(data) != 160 or extract32(data, 32, output_type=uint256) != 0:
        return False
    started: uint256 = extract32(data, 64, output_type=uint256)
    return 0 < started and started <= block.timestamp and block.timestamp - started >= grace


@internal
@view
def _round(feed: address) -> (bool, uint256, uint256):
    ok: bool = False
    data: Bytes[160] = b""
    ok, data = raw_call(
        feed, method_id("latestRoundData()"), max_outsize=160, gas=FEED_GAS, is_static_call=True, revert_on_failure=False
    )
    if not ok or len(data) != 160:
        return False, 0, 0
    return True, extract32(data, 32, output_type=uint256), extract32(data, 96, output_type=uint256)


@internal
@view
def _updated(feed: address) -> uint256:
    ok: bool = False
    answer: uint256 = 0
    updated: uint256 = 0
    ok, answer, updated = self._round(feed)
    return updated


@internal
@view
def _decimals(feed: address) -> uint256:
    """
    @dev The feed's decimals, or a number no feed may have.
    """
    ok: bool = False
    data: Bytes[32] = b""
    ok, data = raw_call(
        feed, method_id("decimals()"), max_outsize=32, gas=FEED_GAS, is_static_call=True, revert_on_failure=False
    )
    if not ok or len(data) != 32:
        return max_value(uint256)
    return extract32(data, 0, output_type=uint256)
