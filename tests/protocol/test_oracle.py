"""The adapter: honest prices pass, all else raises its flag, nobody can set a price, a crash is believed in time."""

from decimal import ROUND_FLOOR, Context, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.protocol import WAD, Feed, Flag, OracleAdapter, Refused, Round, Rules
from stormsail.protocol.oracle import scale
from tests.protocol.chain import NOBODY, START, Chain, Reverted, person
from tests.protocol.world import GUARDIAN, RULES, World, astuple

# Feeds that went wrong, as raw code in their place.
BROKEN = {
    "reverts": "60006000fd",
    "invalid instruction": "fe",
    "is not there": "",
    "answers nothing": "00",
    "answers one word": "60206000f3",
    "answers 159 bytes": "609f6000f3",
    "answers zeros": "60a06000f3",
    "burns all gas": "5b600056",
    "answers a megabyte of zeros": "620f42406000f3",
}


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_feed_raises_its_flag_and_fails_nothing(world, how, side):
    world.chain.code(world.sources[side].address, bytes.fromhex(BROKEN[how]))
    flags, _ = world.oracle.read()
    assert flags == (Flag.BAD, Flag.BAD_B)[side]
    assert world.oracle.poke()[0] == flags
    assert world.oracle.price() == 100 * WAD and world.oracle.price_at() == START


@pytest.mark.parametrize("how", BROKEN)
def test_redemption_asks_no_feed(world, how):
    ada = person("ada")
    world.future.mint(WAD, ada, ada, 10**30, sender=ada)
    for source in world.sources:
        world.chain.code(source.address, bytes.fromhex(BROKEN[how]))
    world.chain.code(world.oracle.address, bytes.fromhex(BROKEN[how]))
    assert world.future.redeem(WAD // 2, ada, sender=ada) == 50_000_000
    world.chain.warp(world.terms.expiry + world.terms.grace)
    assert world.future.claim(WAD // 2, 0, ada, 0, sender=ada) == 25_000_000
    assert world.future.claim(0, WAD // 2, ada, 0, sender=ada) == 25_000_000


@pytest.mark.parametrize(
    ("answer", "age", "flag"),
    [
        (0, 0, Flag.BAD),
        (-1, 0, Flag.BAD),
        (-(2**255), 0, Flag.BAD),
        (2**128, 0, Flag.BAD),
        (2**255 - 1, 0, Flag.BAD),
        (2**128 - 1, 0, Flag.BOUNDS),
        (1, 0, Flag.BOUNDS),
        (10**7, 0, Flag.BOUNDS),  # pinned at the feed's own floor
        (10_000 * 10**8, 0, Flag.BOUNDS),
        (100 * 10**8, 3_600, 0),
        (100 * 10**8, 3_601, Flag.STALE),
        (100 * 10**8, START, Flag.STALE),
        (100 * 10**8, -1, Flag.FUTURE),
        (103 * 10**8, 0, Flag.DEVIATION),
        (102 * 10**8, 0, 0),
    ],
)
def test_flags_of_single_answers(world, answer, age, flag):
    world.answer(0, answer, world.now - age)
    assert world.oracle.read()[0] == flag
    assert world.oracle_model.read(world.now) == world.oracle.read()


@settings(max_examples=150)
@given(
    answers=st.tuples(*[st.integers(-(2**255), 2**255 - 1) | st.integers(1, 10**24)] * 2),
    ages=st.tuples(*[st.integers(-10, 8_000)] * 2),
    changed=st.sampled_from([None, 0, 1]),
)
def test_any_answers_read_as_the_model_reads_them(answers, ages, changed):
    world = _shared()
    for i in (0, 1):
        world.sources[i].change_decimals(world.feed_decimals[i])
        world.answer(i, answers[i], world.now - ages[i])
    if changed is not None:
        world.sources[changed].change_decimals(9)
        said = world.feeds[changed].latest
        world.feeds[changed].latest = Round(said.answer, said.updated, 9)
    assert world.oracle.read() == world.oracle_model.read(world.now)


_worlds = []


def _shared():
    if not _worlds:
        _worlds.append(World())
    return _worlds[0]


@pytest.mark.parametrize("decimals", range(31))
def test_decimals_0_to_30_come_to_the_same_price(decimals):
    other = 18
    world = World(feed_decimals=(decimals, other))
    exact = Context(prec=80, rounding=ROUND_FLOOR)
    for text in ("99", "100.123456789012345678901234567", "101.9"):
        answer = int(exact.scaleb(Decimal(text), decimals).to_integral_value(ROUND_FLOOR))
        world.answer(0, answer, world.now)
        world.answer(1, 100 * WAD, world.now)
        want = int(exact.scaleb(Decimal(answer), 18 - decimals).to_integral_value(ROUND_FLOOR))
        assert scale(answer, decimals) == want
        assert world.oracle.read() == (0, (want + 100 * WAD) // 2) == world.oracle_model.read(world.now)


def test_decimals_that_change_after_deployment_are_bad(world):
    world.sources[0].change_decimals(6)
    assert world.oracle.read()[0] == Flag.BAD


def deploy(chain, *, prices=(100, 100), decimals=(8, 18), reference=100 * WAD, sequencer=NOBODY, grace=0, **rules):
    rules = Rules(**({name: getattr(RULES, name) for name in RULES.__slots__} | rules))
    sources = [chain.deploy("Source", d) for d in decimals]
    for source, price, d in zip(sources, prices, decimals, strict=True):
        source.say(price * 10**d, chain.now)
    feeds = [Feed(Round(p * 10**d, chain.now, d)) for p, d in zip(prices, decimals, strict=True)]
    outcomes = []
    for act in (
        lambda: chain.deploy(
            "OracleAdapter", *(s.address for s in sources), sequencer, grace, GUARDIAN, reference, astuple(rules)
        ),
        lambda: OracleAdapter.deploy(chain.now, rules, *feeds, GUARDIAN, reference),
    ):
        try:
            outcomes.append(act())
        except (Reverted, Refused) as error:
            outcomes.append(error.reason)
    if isinstance(outcomes[0], str) or isinstance(outcomes[1], str):
        assert outcomes[0] == outcomes[1]
    return outcomes[0], sources


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"reference": 2_200 * WAD}, "reference"),  # a ratio taken for a price: 100 where 2200 is known
        ({"prices": (100, 110)}, "no price"),
        ({"decimals": (8, 31)}, "decimals"),
        ({"lowest": 0}, "bounds"),
        ({"highest": 2**128}, "bounds"),
        ({"heartbeat_a": 59}, "heartbeat"),
        ({"heartbeat_b": 172_801}, "heartbeat"),
        ({"deviation": 0}, "deviation"),
        ({"deviation": 1_001}, "deviation"),
        ({"jump": 200}, "jump"),
        ({"jump": 5_001}, "jump"),
        ({"release_count": 2}, "release"),
        ({"release_count": 33}, "release"),
        ({"release_time": 299}, "release"),
        ({"release_time": 86_401}, "release"),
        ({"resume_delay": 0}, "halt"),
        ({"resume_delay": 7_201}, "halt"),
        ({"halt_max": 604_801, "cooldown": 604_801}, "halt"),
        ({"cooldown": 7_199}, "halt"),
        ({"handover_delay": 86_399}, "handover"),
    ],
)
def test_an_adapter_that_would_be_wrong_from_the_start_is_not_made(what, reason):
    assert deploy(Chain(), **what)[0] == reason


def test_one_source_twice_is_not_two_sources():
    chain = Chain()
    source = chain.deploy("Source", 8)
    source.say(10**10, chain.now)
    with pytest.raises(Reverted, match="feeds"):
        chain.deploy("OracleAdapter", source.address, source.address, NOBODY, 0, GUARDIAN, 100 * WAD, astuple(RULES))


def test_a_step_within_the_limit_passes_and_one_beyond_is_a_jump(world):
    world.say(115 * WAD, 115 * WAD)
    assert world.oracle.poke()[0] == 0
    world.say(132 * WAD + WAD // 4, 132 * WAD + WAD // 4)
    assert world.oracle.poke() == (0, 132 * WAD + WAD // 4)
    world.say(60 * WAD, 60 * WAD)
    assert world.oracle.poke()[0] == Flag.JUMP
    assert world.oracle.price() == 132 * WAD + WAD // 4


def crash(world, price, times, spacing=200, fresh=True):
    """Poke a new price again and again; the answers."""
    answers = []
    for i in range(times):
        if fresh or i == 0:
            world.say(price, price)
        answers.append(world.oracle.poke())
        assert answers[-1] == world.oracle_model.poke(world.now)
        world.chain.wait(spacing)
    return [flags for flags, _ in answers]


def test_a_true_crash_is_believed_after_its_trial(world):
    assert crash(world, 60 * WAD, 4) == [Flag.JUMP] * 3 + [0]
    assert world.oracle.price() == 60 * WAD


def test_a_trial_takes_its_time_however_often_it_is_poked(world):
    assert crash(world, 60 * WAD, 12, spacing=50) == [Flag.JUMP] * 12
    assert crash(world, 60 * WAD, 1) == [0]


def test_an_answer_given_once_is_not_believed_for_standing_still(world):
    assert crash(world, 60 * WAD, 8, fresh=False) == [Flag.JUMP] * 8
    assert crash(world, 60 * WAD, 1) == [0]


@pytest.mark.parametrize("silent", [0, 1])
def test_one_source_that_stands_still_is_enough_to_doubt(world, silent):
    world.say(60 * WAD, 60 * WAD)
    for _ in range(8):
        answer = 60 * 10 ** world.feed_decimals[1 - silent]
        world.answer(1 - silent, answer, world.now)
        assert world.oracle.poke()[0] == world.oracle_model.poke(world.now)[0] == Flag.JUMP
        world.chain.wait(200)
    world.say(60 * WAD, 60 * WAD)
    assert world.oracle.poke()[0] == world.oracle_model.poke(world.now)[0] == 0


def test_a_trial_lasts_its_time_where_spacing_does_not_divide_it():
    chain = Chain()
    oracle, sources = deploy(chain, release_time=1_000)  # three spacings are 999 seconds
    for wait, flag in ((0, Flag.JUMP), (333, Flag.JUMP), (333, Flag.JUMP), (333, Flag.JUMP), (1, 0)):
        chain.wait(wait)
        for source, decimals in zip(sources, (8, 18), strict=True):
            source.say(60 * 10**decimals, chain.now)
        assert oracle.poke()[0] == flag


def test_a_glitch_is_forgotten_when_the_price_comes_back(world):
    crash(world, 60 * WAD, 3)
    world.say(100 * WAD, 100 * WAD)
    assert world.oracle.poke() == (0, 100 * WAD)
    assert world.oracle.doubt_count() == 0
    world.oracle_model.poke(world.now)
    assert crash(world, 60 * WAD, 3) == [Flag.JUMP] * 3


def test_a_trial_begins_again_when_the_witnesses_disagree_or_are_late(world):
    crash(world, 60 * WAD, 3)
    world.say(40 * WAD, 40 * WAD)
    world.oracle.poke()
    assert (world.oracle.doubt_count(), world.oracle.doubt_price()) == (1, 40 * WAD)
    world.oracle_model.poke(world.now)
    world.chain.wait(801)
    crash(world, 40 * WAD, 1)
    assert world.oracle.doubt_count() == 1


def test_a_bad_reading_in_between_does_not_disturb_a_trial(world):
    crash(world, 60 * WAD, 3)
    good = bytes(world.chain.evm.get_code(world.sources[0].address))
    world.chain.code(world.sources[0].address, b"\xfe")
    world.oracle.poke(sender=person("saboteur"))
    world.chain.code(world.sources[0].address, good)
    assert world.oracle.doubt_count() == 3
    assert crash(world, 60 * WAD, 1) == [0]


def test_starving_the_call_of_gas_changes_nothing(world):
    crash(world, 60 * WAD, 3)
    world.say(60 * WAD, 60 * WAD)
    for gas in range(22_000, 120_000, 1_000):
        before = [getattr(world.oracle, name)() for name in ("price", "doubt_count", "doubt_from", "doubt_price")]
        try:
            flags, _ = world.oracle.poke(gas=gas, sender=person("saboteur"))
        except Reverted:
            flags = None
        if flags == 0:
            break  # enough gas: the rightful answer
        assert [getattr(world.oracle, n)() for n in ("price", "doubt_count", "doubt_from", "doubt_price")] == before
    assert flags == 0


def test_the_guardian_stops_the_price_at_once_and_it_starts_again_by_itself(world):
    world.oracle.halt(sender=GUARDIAN)
    assert world.oracle.read()[0] == Flag.HALTED
    world.chain.wait(RULES.halt_max - 1)
    world.say(100 * WAD, 100 * WAD)
    assert world.oracle.read()[0] == Flag.HALTED
    world.chain.wait(1)
    assert world.oracle.read()[0] == 0


def test_the_end_of_a_halt_can_be_brought_nearer_but_not_to_now(world):
    world.oracle.halt(sender=GUARDIAN)
    world.oracle.ask_resume(sender=GUARDIAN)
    world.chain.wait(RULES.resume_delay - 1)
    assert world.oracle.read()[0] == Flag.HALTED
    world.oracle.ask_resume(sender=GUARDIAN)  # asking again does not delay it
    world.chain.wait(1)
    assert world.oracle.read()[0] == 0
    with pytest.raises(Reverted, match="not halted"):
        world.oracle.ask_resume(sender=GUARDIAN)


def test_halts_cannot_be_chained(world):
    world.oracle.halt(sender=GUARDIAN)
    for wait in (0, RULES.halt_max, RULES.cooldown - 1):
        world.chain.wait(wait)
        with pytest.raises(Reverted, match="cooldown"):
            world.oracle.halt(sender=GUARDIAN)
    world.chain.wait(1)
    world.oracle.halt(sender=GUARDIAN)


def test_a_halt_stops_minting_and_nothing_else(world):
    ada = person("ada")
    world.future.mint(WAD, ada, ada, 10**30, sender=ada)
    world.oracle.halt(sender=GUARDIAN)
    with pytest.raises(Reverted, match="price refused"):
        world.future.mint(WAD, ada, ada, 10**30, sender=ada)
    assert world.future.redeem(WAD, ada, sender=ada) == 100_000_000


def test_the_guardian_changes_slowly_and_only_by_consent(world):
    new = person("successor")
    world.oracle.name_guardian(new, sender=GUARDIAN)
    with pytest.raises(Reverted, match="too early"):
        world.oracle.accept_guardian(sender=new)
    world.chain.wait(RULES.handover_delay)
    with pytest.raises(Reverted, match="only named"):
        world.oracle.accept_guardian(sender=GUARDIAN)
    world.oracle.accept_guardian(sender=new)
    assert world.oracle.guardian() == new
    with pytest.raises(Reverted, match="only guardian"):
        world.oracle.halt(sender=GUARDIAN)


def test_a_sequencer_that_is_down_or_just_back_raises_its_flag():
    chain = Chain()
    status = chain.deploy("Source", 0)
    status.say(0, START - 5_000)
    oracle, _ = deploy(chain, sequencer=status.address, grace=3_600)
    assert oracle.read()[0] == 0
    cases = [(1, START - 5_000), (0, START - 3_599), (0, 0), (0, START + 1), (2**256 - 1, START - 5_000)]
    for answer, since in cases:
        status.say(answer, since)
        assert oracle.read()[0] == Flag.SEQUENCER
    status.say(0, START - 3_600)
    assert oracle.read()[0] == 0
    chain.code(status.address, b"\xfe")
    assert oracle.read()[0] == Flag.SEQUENCER
