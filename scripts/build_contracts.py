"""Compile the contracts and write what ships with the package."""

from __future__ import annotations

import hashlib
from pathlib import Path

import vyper
from vyper.compiler import compile_code
from vyper.compiler.settings import Settings

from stormsail.protocol.artifacts import CONTRACTS, Artifact, source

FOLDER = Path(__file__).resolve().parents[1] / "src" / "stormsail" / "protocol" / "artifacts"
EVM_VERSION = "paris"


def compiled(name: str, text: str | None = None) -> Artifact:
    """Compile a contract of the package, or other source text under its name."""
    text = source(name) if text is None else text
    outputs = ["abi", "bytecode", "bytecode_runtime"]
    made = compile_code(text, output_formats=outputs, settings=Settings(evm_version=EVM_VERSION))
    return Artifact(
        name=name,
        abi=tuple(made["abi"]),
        bytecode=bytes.fromhex(made["bytecode"][2:]),
        runtime_size=len(made["bytecode_runtime"]) // 2 - 1,
        compiler=f"vyper {vyper.__version__}",
        evm_version=EVM_VERSION,
        source_sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def main() -> None:
    """Write every artefact and say how large the contracts are."""
    for name in CONTRACTS:
        made = compiled(name)
        (FOLDER / f"{name}.json").write_text(made.as_json(), encoding="utf-8")
        print(f"{name}: {made.runtime_size} bytes")


if __name__ == "__main__":
    main()
