"""A chain inside the test process: deploy what ships, call it, read its refusals and events."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

WHY = "not run: needs vyper and pyrevm (extra protocol; pyrevm has no wheel for this Python or system)"
pyrevm = pytest.importorskip("pyrevm", reason=WHY)
pytest.importorskip("vyper", reason=WHY)
pytest.importorskip("eth_abi", reason=WHY)

from eth_abi import decode, encode  # noqa: E402 - only once the packages are known to be there
from eth_utils import keccak  # noqa: E402

from scripts.build_contracts import compiled  # noqa: E402
from stormsail.protocol import artifact  # noqa: E402
from stormsail.protocol.ledger import NOBODY  # noqa: E402

SPEC = "SHANGHAI"
GAS = 30_000_000
START = 1_700_000_000


class Reverted(Exception):
    """A call that failed; ``reason`` is the contract's, empty when it gave none."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def person(name):
    """A stable address for a name."""
    return "0x" + hashlib.sha256(name.encode()).hexdigest()[:40]


@cache
def _test_contract(name):
    return compiled(name, (Path(__file__).parent / "contracts" / f"{name}.vy").read_text())


def built(name):
    """A contract that ships or, failing that, one of the tests' own."""
    return _test_contract(name) if (Path(__file__).parent / "contracts" / f"{name}.vy").exists() else artifact(name)


def _type(entry):
    if entry["type"].startswith("tuple"):
        return "(" + ",".join(_type(part) for part in entry["components"]) + ")" + entry["type"][5:]
    return entry["type"]


class Chain:
    """Time, accounts and contracts."""

    def __init__(self):
        self.evm = pyrevm.EVM(spec_id=SPEC)
        self.now = START
        self.calls = 0
        self.warp(START)

    def warp(self, now):
        self.now = now
        self.evm.set_block_env(pyrevm.BlockEnv(timestamp=now, number=1 + now - START))

    def wait(self, seconds):
        self.warp(self.now + seconds)

    def code(self, address, code):
        """Put code at an address, as a feed that went wrong would have it."""
        self.evm.insert_account_info(address, pyrevm.AccountInfo(code=code))

    def deploy(self, name, *args, sender=None):
        made = built(name)
        constructor = next((e for e in made.abi if e["type"] == "constructor"), {"inputs": []})
        data = made.bytecode + encode([_type(i) for i in constructor["inputs"]], args)
        address = self._try(lambda: self.evm.deploy(sender or person("deployer"), data, gas=GAS))
        return self.at(name, address)

    def blueprint(self, name):
        return self._try(lambda: self.evm.deploy(person("deployer"), built(name).blueprint, gas=GAS))

    def at(self, name, address):
        return Deployed(self, name, address)

    def send(self, sender, to, data, gas=GAS, static=False):
        self.calls += 1
        return self._try(lambda: self.evm.message_call(sender, to, calldata=data, gas=gas, is_static=static))

    @property
    def logs(self):
        return self.evm.result.logs

    def _try(self, act):
        try:
            return act()
        except RuntimeError as error:
            found = re.search(r"output: 0x([0-9a-f]*)", str(error))
            data = bytes.fromhex(found.group(1)) if found else b""
            if data[:4] == bytes.fromhex("08c379a0"):
                raise Reverted(decode(["string"], data[4:])[0]) from None
            raise Reverted("") from None


@dataclass(frozen=True)
class Method:
    selector: bytes
    inputs: tuple
    outputs: tuple
    view: bool


@cache
def _methods(name):
    found = {}
    for entry in built(name).abi:
        if entry["type"] == "function":
            inputs = tuple(_type(i) for i in entry["inputs"])
            found[entry["name"]] = Method(
                keccak(text=f"{entry['name']}({','.join(inputs)})")[:4],
                inputs,
                tuple(_type(o) for o in entry["outputs"]),
                entry["stateMutability"] in ("view", "pure"),
            )
    return found


@cache
def _events(name):
    found = {}
    for entry in built(name).abi:
        if entry["type"] == "event":
            types = ",".join(_type(i) for i in entry["inputs"])
            found["0x" + keccak(text=f"{entry['name']}({types})").hex()] = entry
    return found


class Deployed:
    """A contract at an address: its functions are methods, the sender a keyword."""

    def __init__(self, chain, name, address):
        self.chain, self.contract, self.address = chain, name, address
        self.methods = _methods(name)

    def data(self, method, *args):
        what = self.methods[method]
        return what.selector + encode(what.inputs, args)

    def __getattr__(self, method):
        if method.startswith("_") or method not in self.methods:
            raise AttributeError(method)
        what = self.methods[method]

        def call(*args, sender=None, gas=GAS):
            answer = self.chain.send(
                sender or person("stranger"), self.address, self.data(method, *args), gas=gas, static=what.view
            )
            values = decode(what.outputs, answer) if what.outputs else ()
            return values[0] if len(values) == 1 else values or None

        return call

    def events(self):
        """Events of the last call that this contract gave: (name, values by argument)."""
        known, found = _events(self.contract), []
        for log in self.chain.logs:
            entry = known.get(log.topics[0]) if log.address.lower() == self.address.lower() else None
            if entry is None:
                continue
            topics, plain = log.data
            indexed = [i for i in entry["inputs"] if i["indexed"]]
            values = {i["name"]: decode([_type(i)], t)[0] for i, t in zip(indexed, topics[1:], strict=True)}
            rest = [i for i in entry["inputs"] if not i["indexed"]]
            values |= zip((i["name"] for i in rest), decode([_type(i) for i in rest], plain), strict=True)
            found.append((entry["name"], values))
        return found


__all__ = ["GAS", "NOBODY", "START", "Chain", "Deployed", "Reverted", "built", "person"]
