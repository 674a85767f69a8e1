"""Every function that can change state, called by somebody with no part in it.

The table is held against the interface: a new function fails here until somebody has said who may call it.
"""

import pytest

from stormsail.protocol import CONTRACTS, WAD, artifact
from tests.protocol.chain import Reverted, person
from tests.protocol.world import World

SOMEONE = person("stranger")
ANYONE = "anyone may"
R = b"\x01" * 32
# contract -> function -> (arguments, what a stranger is told)
TABLE = {
    "PairToken": {
        "transfer": ((SOMEONE, 1), "balance"),
        "transferFrom": ((person("ada"), SOMEONE, 1), "allowance"),
        "approve": ((SOMEONE, 1), ANYONE),
        "permit": ((person("ada"), SOMEONE, 1, 2**255, 27, R, R), "signature"),
        "mint": ((SOMEONE, 1), "only core"),
        "burn": ((person("ada"), 1), "only core"),
    },
    "BandFuture": {
        "mint": ((1, SOMEONE, SOMEONE, 10**9), "allowance"),
        "mint_with_permit": ((1, SOMEONE, SOMEONE, 10**9, 2**255, 27, R, R), "allowance"),
        "redeem": ((1, SOMEONE), "balance"),
        "checkpoint": ((), ANYONE),
        "settle": ((), "not expired"),
        "claim": ((1, 1, SOMEONE, 0), "not expired"),
    },
    "OracleAdapter": {
        "poke": ((), ANYONE),
        "halt": ((), "only guardian"),
        "ask_resume": ((), "only guardian"),
        "name_guardian": ((SOMEONE,), "only guardian"),
        "accept_guardian": ((), "only named"),
    },
    "SeriesFactory": {
        "propose_market": ((SOMEONE, SOMEONE, "X", 1, 3_600, 86_400), "only keeper"),
        "close_market": ((SOMEONE, SOMEONE), "only keeper"),
        "create": ((SOMEONE, SOMEONE, 1, 2, 3), "market not open"),
        "name_keeper": ((SOMEONE,), "only keeper"),
        "accept_keeper": ((), "only named"),
    },
}


def test_the_table_names_every_function_that_changes_state():
    for name in CONTRACTS:
        changing = {
            entry["name"]
            for entry in artifact(name).abi
            if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
        }
        assert changing == set(TABLE[name])


def test_no_function_takes_ether_and_none_can_be_reached_by_a_bare_transfer():
    for name in CONTRACTS:
        assert all(entry.get("stateMutability") != "payable" for entry in artifact(name).abi)
        assert all(entry["type"] in ("function", "event", "constructor") for entry in artifact(name).abi)


@pytest.mark.parametrize(("name", "act"), [(name, act) for name in TABLE for act in TABLE[name]])
def test_a_stranger_is_refused_or_does_no_harm(name, act):
    world = World()
    world.both("mint", 5 * WAD, person("ada"), person("ada"), 10**30, sender=person("ada"))
    chain = world.chain
    factory = chain.deploy(
        "SeriesFactory", chain.blueprint("PairToken"), chain.blueprint("BandFuture"), person("keeper")
    )
    place = {
        "PairToken": world.long,
        "BandFuture": world.future,
        "OracleAdapter": world.oracle,
        "SeriesFactory": factory,
    }
    args, told = TABLE[name][act]
    if told == ANYONE:
        getattr(place[name], act)(*args, sender=SOMEONE)
    else:
        with pytest.raises(Reverted) as caught:
            getattr(place[name], act)(*args, sender=SOMEONE)
        assert caught.value.reason == told
    assert world.long.totalSupply() == world.long.balanceOf(person("ada")) == 5 * WAD
    assert world.coin.balanceOf(world.future.address) == world.future.backing() == 500_000_000
    assert world.oracle.price() == 100 * WAD
