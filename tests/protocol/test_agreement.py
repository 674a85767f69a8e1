"""Contract and model do the same, to the last unit, on every step of long random runs.

The normal run takes some thousands of steps; ``STORMSAIL_FUZZ_STEPS`` asks for more.
"""

import os
from collections import Counter

from numpy.random import Generator, Philox

from stormsail.protocol import WAD
from stormsail.protocol.ledger import NOBODY
from tests.protocol.chain import Reverted, person
from tests.protocol.world import GUARDIAN, PEOPLE, World

STEPS = int(os.environ.get("STORMSAIL_FUZZ_STEPS", "6000"))
EPISODE = 150
# Effects of each action per thousand steps, at least: a run that only meets refusals proves nothing.
FLOOR = {
    "mint": 20,
    "redeem": 8,
    "checkpoint": 20,
    "settle": 1,
    "claim": 8,
    "claim that settles": 0.3,
    "transfer": 10,
    "move by allowance": 5,
    "poke": 5,
    "jump believed": 0.3,
    "jump doubted": 1,
    "halt": 0.3,
    "ask_resume": 0.1,
    "gift": 1,
    "refused": 100,
    "window average": 0.5,
    "partial average": 0.5,
    "last checkpoint": 0.5,
}


class Run:
    """One life of a series under random acts."""

    def __init__(self, seed):
        self.random = Generator(Philox(key=[seed, 7]))
        decimals = int(self.pick((0, 6, 8, 18)))
        lower = int(self.pick((0, 50, 95)))
        self.world = World(
            lower=lower,
            upper=int(self.pick((105, 150, 400))),
            decimals=decimals,
            feed_decimals=(int(self.pick((0, 2, 8, 18))), int(self.pick((8, 18, 20, 30)))),
            life=int(self.random.integers(3_700, 5_000)),
            grace=int(self.pick((3_600, 5_000))),
        )
        self.price = 100 * WAD
        self.done = Counter()
        # How busy the window is: some runs keep it full, some leave it thin, some miss it.
        self.diligence = self.pick((0.0, 0.3, 1.0))

    def pick(self, options):
        return options[int(self.random.integers(len(options)))]

    def amount(self, most):
        kind = self.random.integers(5)
        if kind == 0:
            return int(self.random.integers(0, 4))
        if kind == 1:
            return most
        if kind == 2:
            return most + 1
        return int(self.random.random() * float(most)) if most else 1

    def step(self):
        acts = (
            *(self.tick, self.mint, self.redeem) * 2,
            *(self.tick, self.mint, self.claim, self.settle, self.checkpoint, self.transfer),
            *(self.allow, self.poke, self.govern, self.disturb, self.gift),
        )
        w, act = self.world, self.pick(acts)
        near = w.terms.expiry - w.terms.window - w.terms.hold <= w.now < w.terms.expiry + w.terms.grace
        if near and self.diligence == 0 and act in (self.mint, self.checkpoint):
            act = self.tick
        act()
        if near and self.random.random() < self.diligence:
            self.refresh()
            self.checkpoint()
        w.agree()
        w.sound()

    def note(self, name, answer):
        self.done[name if answer[0] == "done" else "refused"] += 1
        return answer[0] == "done"

    def tick(self):
        w = self.world
        w.chain.wait(int(self.pick((0, 1, 12, 60, 300, 450, 450, 900, 1_800))))
        self.price = max(WAD, int(self.price * (1 + 0.02 * self.random.standard_normal())))
        if self.random.random() < 0.9:
            self.refresh()

    def refresh(self):
        spread = 1 + 0.004 * self.random.standard_normal()
        self.world.say(self.price, int(self.price * spread))

    def disturb(self):
        w, kind = self.world, self.random.integers(8)
        if kind == 0:  # jump
            self.price = int(self.price * self.pick((0.6, 0.8, 1.25, 1.6)))
            self.refresh()
        elif kind == 1:
            w.answer(0, int(self.pick((0, -1, 1, 2**128, 2**127, 2**255 - 1, -(2**255)))), w.now)
        elif kind == 2:
            w.say(self.price, self.price, updated=w.now + int(self.pick((1, 100))))
        elif kind == 3:
            w.say(self.price, self.price, updated=w.now - int(self.pick((3_600, 3_601))))
        elif kind == 4:
            w.say(self.price, self.price * 2)
        elif kind == 5:
            w.say(10_000 * WAD, 10_000 * WAD)
        elif kind == 6:  # a jump lived through
            self.price = int(self.price * self.pick((0.75, 1.3)))
            for _ in range(8):
                w.chain.wait(200)
                self.refresh()
                self.poke()
        else:
            self.refresh()

    def mint(self):
        if self.chance(0.6):
            self.refresh()
        who, to, other = (
            self.pick(PEOPLE),
            self.pick(PEOPLE),
            self.pick((*PEOPLE, NOBODY) if self.chance(0.1) else PEOPLE),
        )
        size = self.amount(10 ** int(self.random.integers(0, 24)))
        most = self.world.terms.cost(size) - (1 if self.chance(0.1) else 0)
        self.note("mint", self.world.both("mint", size, to, other, max(0, most), sender=who))

    def redeem(self):
        who = self.pick(PEOPLE)
        most = min(self.world.model.long.balance(who), self.world.model.short.balance(who))
        to = self.pick((*PEOPLE, NOBODY)) if self.chance(0.2) else who
        self.note("redeem", self.world.both("redeem", self.amount(most), to, sender=who))

    def claim(self):
        w, who = self.world, self.pick(PEOPLE)
        before = w.model.settled
        long, short = (self.amount(leg.balance(who)) for leg in (w.model.long, w.model.short))
        done = self.note("claim", w.both("claim", long, short, self.pick(PEOPLE), 0, sender=who))
        if done and not before:
            self.done["claim that settles"] += 1
            self.ended()

    def settle(self):
        if self.chance(0.7):
            return
        if self.note("settle", self.world.both("settle", sender=self.pick(PEOPLE))):
            self.ended()

    def ended(self):
        self.done[
            ("window average", "partial average", "last checkpoint", "midpoint")[self.world.model.source - 1]
        ] += 1

    def checkpoint(self):
        self.note("checkpoint", self.world.both("checkpoint", sender=self.pick(PEOPLE)))

    def transfer(self):
        w, who, to = self.world, self.pick(PEOPLE), self.pick(PEOPLE)
        token, kept = self.pick(((w.long, w.model.long), (w.short, w.model.short)))
        size = self.amount(kept.balance(who))
        fits = size <= kept.balance(who)
        try:
            token.transfer(to, size, sender=who)
        except Reverted as error:
            assert not fits and error.reason == "balance"
        else:
            assert fits
            kept.transfer(who, to, size)
            self.done["transfer"] += 1

    def allow(self):
        w, owner, spender = self.world, self.pick(PEOPLE), person("spender")
        size = self.amount(w.model.short.balance(owner))
        allowed = size if self.chance(0.7) else 2**256 - 1
        w.short.approve(spender, allowed, sender=owner)
        w.model.short.approve(owner, spender, allowed)
        if size <= w.model.short.balance(owner):
            w.short.transferFrom(owner, PEOPLE[0], size, sender=spender)
            w.model.short.transfer_from(spender, owner, PEOPLE[0], size)
            self.done["move by allowance"] += 1
        assert w.short.allowance(owner, spender) == w.model.short.allowances[owner, spender]

    def poke(self):
        w = self.world
        before = w.oracle_model.read(w.now)
        answer = w.oracle.poke(sender=self.pick(PEOPLE))
        assert answer == w.oracle_model.poke(w.now)
        if before[0] == 512:
            self.done["jump believed" if answer[0] == 0 else "jump doubted"] += 1
        self.done["poke"] += answer[0] == 0

    def govern(self):
        w = self.world
        if self.chance(0.7):
            return
        act = self.pick(("halt", "ask_resume"))
        who = GUARDIAN if self.chance(0.7) else self.pick(PEOPLE)
        results = []
        for call in (
            lambda: getattr(w.oracle, act)(sender=who),
            lambda: getattr(w.oracle_model, act)(w.now, who),
        ):
            try:
                call()
                results.append("")
            except Exception as error:
                results.append(error.reason)
        assert results[0] == results[1]
        self.done[act if not results[0] else "refused"] += 1

    def gift(self):
        """Coins sent by mistake change nothing for anyone."""
        w = self.world
        w.coin.give(w.future.address, 5)
        w.coin_model.mint(w.future.address, 5)
        w.given += 5
        self.done["gift"] += 1

    def chance(self, p):
        return self.random.random() < p

    def finish(self):
        """Everyone takes what is theirs, in a random order; nobody is left unpaid and only dust remains."""
        w = self.world
        w.chain.warp(max(w.now, w.terms.expiry + w.terms.grace))
        for who in self.random.permutation(PEOPLE):
            who = str(who)
            long, short = w.model.long.balance(who), w.model.short.balance(who)
            if long or short:
                before = w.model.settled
                assert self.note("claim", w.both("claim", long, short, who, 0, sender=who))
                if not before:
                    self.ended()
        w.agree()
        w.sound()
        assert w.model.long.supply == w.model.short.supply == 0
        assert 0 <= w.model.backing <= self.done["mint"] + self.done["redeem"] + self.done["claim"]


def test_contract_and_model_agree_on_every_step_of_random_lives():
    done = Counter()
    for seed in range(max(1, STEPS // EPISODE)):
        run = Run(seed)
        for _ in range(EPISODE):
            run.step()
        run.finish()
        done += run.done
    short = {
        name: (done[name], floor * STEPS / 1000) for name, floor in FLOOR.items() if done[name] < floor * STEPS / 1000
    }
    assert not short, (short, done)
