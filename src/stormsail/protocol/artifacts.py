"""What the contracts compile to, shipped with the package: the runtime needs no compiler."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from stormsail.core import InputError

CONTRACTS = ("BandFuture", "OracleAdapter", "PairToken", "SeriesFactory")
"""Names of the contracts."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract and where it came from.

    Attributes:
        name: Name of the contract.
        abi: Its interface, as the compiler states it.
        bytecode: Code that deploys it.
        runtime_size: Bytes that lie on the chain, without immutables (limit 24,576, EIP-170).
        compiler: Version of the compiler.
        evm_version: Oldest chain rules it runs under.
        source_sha256: Hash of the source text.
    """

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    runtime_size: int
    compiler: str
    evm_version: str
    source_sha256: str

    @property
    def blueprint(self) -> bytes:
        """Code that deploys the contract as a blueprint (ERC-5202), for others to copy."""
        body = bytes.fromhex("fe7100") + self.bytecode
        # PUSH2 length, RETURNDATASIZE, DUP2, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURN (10 bytes), then the body.
        return b"\x61" + len(body).to_bytes(2, "big") + bytes.fromhex("3d81600a3d39f3") + body

    def as_json(self) -> str:
        """The file that ships, byte for byte."""
        plain = {
            "name": self.name,
            "compiler": self.compiler,
            "evm_version": self.evm_version,
            "source_sha256": self.source_sha256,
            "runtime_size": self.runtime_size,
            "abi": list(self.abi),
            "bytecode": "0x" + self.bytecode.hex(),
        }
        return json.dumps(plain, indent=1) + "\n"


def source(name: str) -> str:
    """Source text of a contract.

    >>> source("PairToken").splitlines()[0]
    '# pragma version 0.4.3'
    """
    return _file("contracts", f"{_known(name)}.vy")


@cache
def artifact(name: str) -> Artifact:
    """The compiled contract that ships; refuses one that does not belong to the source beside it.

    >>> artifact("PairToken").evm_version
    'paris'

    Raises:
        InputError: If there is no such contract, or its source was changed after compiling.
    """
    plain = json.loads(_file("artifacts", f"{_known(name)}.json"))
    if plain["source_sha256"] != hashlib.sha256(source(name).encode()).hexdigest():
        raise InputError(
            "the compiled contract is not of this source",
            cure="run scripts/build_contracts.py, or install the package anew",
            where=name,
        )
    return Artifact(
        name=plain["name"],
        abi=tuple(plain["abi"]),
        bytecode=bytes.fromhex(plain["bytecode"][2:]),
        runtime_size=plain["runtime_size"],
        compiler=plain["compiler"],
        evm_version=plain["evm_version"],
        source_sha256=plain["source_sha256"],
    )


def _known(name: str) -> str:
    if name not in CONTRACTS:
        raise InputError("no such contract", cure=f"one of {', '.join(CONTRACTS)}", where=name)
    return name


def _file(folder: str, name: str) -> str:
    return files("stormsail.protocol").joinpath(folder, name).read_text(encoding="utf-8")
