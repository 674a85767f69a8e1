"""The policies that have names are the ones of the files that can be changed."""

from pathlib import Path

from stormsail.adapters.files.policy_file import read_policy
from stormsail.watch.named import POLICIES

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "policies"


def test_each_name_is_its_file() -> None:
    assert {path.stem: read_policy(path) for path in EXAMPLES.glob("*.toml")} == dict(POLICIES)
