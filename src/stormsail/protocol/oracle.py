"""Exact model of ``OracleAdapter.vy``: a price that two independent sources agree on, or none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from stormsail.protocol.ledger import NOBODY
from stormsail.protocol.refused import need

BPS = 10_000
LARGEST = 2**128 - 1


class Flag(IntFlag):
    """What may be wrong with a price; those of the second source stand four bits higher."""

    BAD = 1
    STALE = 2
    FUTURE = 4
    BOUNDS = 8
    BAD_B = 16
    STALE_B = 32
    FUTURE_B = 64
    BOUNDS_B = 128
    DEVIATION = 256
    JUMP = 512
    SEQUENCER = 1024
    HALTED = 2048


@dataclass(frozen=True, slots=True)
class Round:
    """What a feed says: a signed answer with ``decimals``, and when it was given (for a sequencer: when it started)."""

    answer: int
    updated: int
    decimals: int = 8


@dataclass(slots=True)
class Feed:
    """A source; ``latest`` is ``None`` when it reverts, answers short, or is not there."""

    latest: Round | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The fixed rules of an adapter; prices in 1e18ths, times in seconds, distances in basis points.

    Attributes:
        heartbeat_a: Oldest answer of the first source that counts.
        heartbeat_b: The same for the second.
        lowest: A price at or below is refused.
        highest: A price at or above is refused.
        deviation: Largest distance between the sources, of the lower.
        jump: Largest step from the last accepted price, of it.
        release_count: Agreeing observations after which a jump is believed.
        release_time: Seconds they must span.
        halt_max: Length of a halt.
        cooldown: Shortest time between the end of a halt and the next.
        resume_delay: From asking for the end of a halt to its end.
        handover_delay: From naming a guardian to their taking over.
    """

    heartbeat_a: int
    heartbeat_b: int
    lowest: int
    highest: int
    deviation: int
    jump: int
    release_count: int
    release_time: int
    halt_max: int
    cooldown: int
    resume_delay: int
    handover_delay: int

    def check(self) -> None:
        """Refuse rules outside the bounds of the contract."""
        heartbeats = (self.heartbeat_a, self.heartbeat_b)
        need(0 < self.lowest < self.highest <= LARGEST, "bounds")
        need(min(heartbeats) >= 60 and max(heartbeats) <= 2 * 86_400, "heartbeat")
        need(0 < self.deviation <= 1_000, "deviation")
        need(self.deviation < self.jump <= 5_000, "jump")
        need(3 <= self.release_count <= 32 and 300 <= self.release_time <= 86_400, "release")
        need(0 < self.resume_delay <= self.halt_max <= 7 * 86_400, "halt")
        need(self.halt_max <= self.cooldown <= 90 * 86_400, "halt")
        need(86_400 <= self.handover_delay <= 90 * 86_400, "handover")


def near(price: int, anchor: int, bps: int) -> bool:
    """Whether ``price`` is within ``bps`` of ``anchor``.

    >>> near(115, 100, 1_500), near(116, 100, 1_500)
    (True, False)
    """
    return abs(price - anchor) * BPS <= bps * anchor


def scale(answer: int, decimals: int) -> int:
    """An answer in 1e18ths, rounded down.

    >>> scale(250, 2), scale(25 * 10**19, 20)
    (2500000000000000000, 2500000000000000000)
    """
    factor: int = 10 ** abs(18 - decimals)
    return answer * factor if decimals <= 18 else answer // factor


def check_round(said: Round | None, now: int, decimals: int, heartbeat: int, rules: Rules) -> tuple[int, int]:
    """Flags of one source, as if it were the first, and its price in 1e18ths (0 when the answer is no answer)."""
    if said is None or said.decimals != decimals or not 0 < said.answer <= LARGEST:
        return Flag.BAD, 0
    flags = 0
    if said.updated > now:
        flags = Flag.FUTURE
    elif now - said.updated > heartbeat:
        flags = Flag.STALE
    price = scale(said.answer, decimals)
    if not rules.lowest < price < rules.highest:
        flags |= Flag.BOUNDS
    return flags, price


@dataclass(slots=True)
class OracleAdapter:
    """The adapter; made with :meth:`deploy`, read with :meth:`read`, remembered with :meth:`poke`."""

    rules: Rules
    feed_a: Feed
    feed_b: Feed
    decimals_a: int
    decimals_b: int
    guardian: str
    sequencer: Feed | None = None
    sequencer_grace: int = 0
    price: int = 0
    price_at: int = 0
    doubt_price: int = 0
    doubt_from: int = 0
    doubt_at: int = 0
    doubt_count: int = 0
    named: str = NOBODY
    named_from: int = 0
    halted_until: int = 0

    @classmethod
    def deploy(
        cls,
        now: int,
        rules: Rules,
        feed_a: Feed,
        feed_b: Feed,
        guardian: str,
        reference: int,
        sequencer: Feed | None = None,
        sequencer_grace: int = 0,
    ) -> OracleAdapter:
        """A new adapter; refuses rules out of bounds, feeds without a price, and a price far from ``reference``."""
        need(feed_a is not feed_b, "feeds")
        rules.check()
        need(sequencer_grace <= 86_400, "sequencer")
        decimals = [2**256 - 1 if feed.latest is None else feed.latest.decimals for feed in (feed_a, feed_b)]
        need(max(decimals) <= 30, "decimals")
        made = cls(rules, feed_a, feed_b, decimals[0], decimals[1], guardian, sequencer, sequencer_grace)
        flags, price = made._look(now)
        need(flags == 0, "no price")
        need(near(price, reference, rules.jump), "reference")
        made.price, made.price_at = price, now
        return made

    def read(self, now: int) -> tuple[int, int]:
        """Flags and price; the price means nothing when a flag is raised."""
        flags, price = self._look(now)
        if flags == 0 and not near(price, self.price, self.rules.jump):
            flags = Flag.JUMP
        if now < self.halted_until:
            flags |= Flag.HALTED
        return flags, price

    def consult(self, now: int) -> tuple[int, int]:
        """What a poke would answer now; changes nothing. One that ends the trial of a jump answers without a flag."""
        flags, price = self.read(now)
        if flags == Flag.JUMP and self._stands(now, self._trial(now, price)):
            return 0, price
        return flags, price

    def poke(self, now: int) -> tuple[int, int]:
        """Read; remember a price that counts, put a jump on trial, change nothing on a bad reading."""
        flags, price = self.consult(now)
        if flags == Flag.JUMP:
            self.doubt_price, self.doubt_from, self.doubt_at, self.doubt_count = self._trial(now, price)
        if flags == 0:
            if self.read(now)[0]:  # the trial ends here, and its record stays as the contract leaves it
                self.doubt_price, self.doubt_from, self.doubt_at, _ = self._trial(now, price)
            self.price, self.price_at, self.doubt_count = price, now, 0
        return flags, price

    def halt(self, now: int, sender: str) -> None:
        """The guardian stops the price for ``halt_max``."""
        need(sender == self.guardian, "only guardian")
        need(self.halted_until == 0 or now >= self.halted_until + self.rules.cooldown, "cooldown")
        self.halted_until = now + self.rules.halt_max

    def ask_resume(self, now: int, sender: str) -> None:
        """The guardian brings the end of a halt nearer."""
        need(sender == self.guardian, "only guardian")
        need(now < self.halted_until, "not halted")
        self.halted_until = min(self.halted_until, now + self.rules.resume_delay)

    def name_guardian(self, now: int, sender: str, guardian: str) -> None:
        """The guardian names a successor."""
        need(sender == self.guardian, "only guardian")
        self.named, self.named_from = guardian, now + self.rules.handover_delay

    def accept_guardian(self, now: int, sender: str) -> None:
        """The successor takes over after the delay."""
        need(sender == self.named, "only named")
        need(now >= self.named_from, "too early")
        self.guardian, self.named = sender, NOBODY

    def _look(self, now: int) -> tuple[int, int]:
        rules = self.rules
        flags_a, a = check_round(self.feed_a.latest, now, self.decimals_a, rules.heartbeat_a, rules)
        flags_b, b = check_round(self.feed_b.latest, now, self.decimals_b, rules.heartbeat_b, rules)
        flags = int(flags_a) | int(flags_b) << 4
        if flags == 0 and abs(a - b) * BPS > rules.deviation * min(a, b):
            flags = Flag.DEVIATION
        if self.sequencer is not None and not self._sequencer_up(now, self.sequencer.latest):
            flags |= Flag.SEQUENCER
        return flags, (a + b) // 2

    def _sequencer_up(self, now: int, said: Round | None) -> bool:
        return (
            said is not None
            and said.answer == 0
            and 0 < said.updated <= now
            and now - said.updated >= self.sequencer_grace
        )

    def _trial(self, now: int, price: int) -> tuple[int, int, int, int]:
        """Price, beginning, last sight and count of the trial after seeing ``price`` now."""
        spacing = self.rules.release_time // (self.rules.release_count - 1)
        agrees = self.doubt_count > 0 and near(price, self.doubt_price, self.rules.jump)
        if not agrees or now > self.doubt_at + 4 * spacing:
            return price, now, now, 1
        if now >= self.doubt_at + spacing:
            return self.doubt_price, self.doubt_from, now, self.doubt_count + 1
        return self.doubt_price, self.doubt_from, self.doubt_at, self.doubt_count

    def _stands(self, now: int, trial: tuple[int, int, int, int]) -> bool:
        _, begun, _, count = trial
        if count < self.rules.release_count or now < begun + self.rules.release_time:
            return False
        rounds = (self.feed_a.latest, self.feed_b.latest)
        return min(0 if said is None else said.updated for said in rounds) > begun
