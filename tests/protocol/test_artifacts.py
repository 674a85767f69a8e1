import json
import re
from pathlib import Path

import pytest

from stormsail.core import InputError
from stormsail.protocol import CONTRACTS, artifact, artifacts, source
from tests.protocol.chain import Chain, built, compiled


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_ships_is_what_the_source_compiles_to_byte_for_byte(name):
    assert artifacts._file("artifacts", f"{name}.json") == compiled(name).as_json()


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_contract_fits_on_a_chain(name):
    assert 500 < artifact(name).runtime_size < 24_576  # EIP-170
    assert len(artifact(name).blueprint) < 24_576 + 10


def test_a_compiled_contract_that_is_not_of_its_source_is_refused(monkeypatch):
    genuine = artifacts._file

    def changed(folder, name):
        text = genuine(folder, name)
        return text + "\n" if folder == "contracts" else text

    monkeypatch.setattr(artifacts, "_file", changed)
    artifact.cache_clear()
    with pytest.raises(InputError, match="not of this source"):
        artifact("PairToken")
    artifact.cache_clear()


def test_a_contract_that_does_not_exist_is_named():
    with pytest.raises(InputError, match="no such contract"):
        source("../artifacts/x")


def test_the_blueprint_is_the_one_of_erc_5202():
    chain = Chain()
    address = chain.blueprint("PairToken")
    lying = bytes(chain.evm.get_code(address)).rstrip(b"\x00")
    assert lying == (b"\xfe\x71\x00" + built("PairToken").bytecode).rstrip(b"\x00")


def test_artefacts_state_what_made_them():
    plain = json.loads(artifact("BandFuture").as_json())
    assert plain["compiler"].startswith("vyper 0.4.3") and plain["evm_version"] == "paris"


def test_the_page_tells_the_sizes():
    page = Path(__file__).resolve().parents[2] / "docs" / "protocol" / "index.md"
    sizes = [
        int(n.replace(",", ""))
        for n in re.findall(r"\.md\) \|.*\| ([\d,]+) \|$", page.read_text(encoding="utf-8"), re.M)
    ]
    assert sizes == [artifact(n).runtime_size for n in ("BandFuture", "PairToken", "OracleAdapter", "SeriesFactory")]
