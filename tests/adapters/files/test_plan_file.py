"""Plan files: readable, sealed, the same bytes twice."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stormsail.adapters.files.plan_file import (
    digest_of,
    plan_schema,
    plan_to_dict,
    read_plan,
    render_plan,
    write_plan,
    write_schema,
)
from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit import Tolerance
from stormsail.core import PlanFileError, StormsailError
from stormsail.plan import HedgePlan, make_plan
from tests.plan.market import AS_OF, portfolio, source


@cache
def made() -> HedgePlan:
    data = source()
    return make_plan(portfolio(data), data.view(AS_OF), Tolerance(coverage=0.3), venues=load_venues())


@cache
def text() -> str:
    return render_plan(made())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    digest = write_plan(made(), tmp_path / "plan.json")
    read = read_plan(tmp_path / "plan.json")
    assert read.digest == digest == digest_of(read.content)
    assert [o["quantity"] for o in read.orders] == [format(o.quantity, "f") for o in made().orders]
    assert read.content["inputs"]["as_of"] == made().as_of.isoformat().replace("+00:00", "Z")
    assert list(tmp_path.iterdir()) == [tmp_path / "plan.json"]


def test_two_files_of_one_plan_are_equal_byte_for_byte(tmp_path: Path) -> None:
    write_plan(made(), tmp_path / "a.json")
    write_plan(made(), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_the_order_is_that_of_a_person_thinking() -> None:
    keys = list(plan_to_dict(made()))
    assert keys[:3] == ["kind", "schema_version", "inputs"]
    wanted = ["exposure", "candidates", "ratios", "orders", "accounts", "fails_against", "cost", "coverage", "digest"]
    assert [key for key in keys if key in wanted] == wanted


def test_every_figure_of_an_order_names_its_origin() -> None:
    content = plan_to_dict(made())
    for order in made().orders:
        for figure in ("price", "contract", "carry"):
            assert content["origins"][f"orders.{order.contract.id}.{figure}"]


def test_it_fits_its_schema(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    write_schema(tmp_path / "schema.json")
    schema = json.loads((tmp_path / "schema.json").read_text())
    assert schema == plan_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(text()), schema)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("orders", 0, "quantity"), "999"),
        (("inputs", "tolerance", "coverage"), 0.9),
        (("accounts", 0, "collateral"), "1"),
        (("digest",), "0" * 64),
    ],
)
def test_a_change_by_hand_is_found(tmp_path: Path, path: tuple, value: object) -> None:
    content = json.loads(text())
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(PlanFileError, match="changed after it was written"):
        read_plan(tmp_path / "p.json")


def test_reformatting_is_no_change(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(json.loads(text()), indent=7, sort_keys=True))
    assert read_plan(tmp_path / "p.json").digest == json.loads(text())["digest"]


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    content = json.loads(text())
    content["schema_version"] = 99
    content["digest"] = digest_of(content)
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(PlanFileError, match="schema version 99"):
        read_plan(tmp_path / "p.json")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "not JSON"),
        (b"{}", "not a plan file"),
        (b"[1, 2]", "not a plan file"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"kind": "stormsail hedge plan", "kind": "x"}', "not JSON"),
        (b'{"kind": NaN}', "not JSON"),
        (b'{"kind": "stormsail hedge plan"}', "schema version None"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, data: bytes, word: str) -> None:
    (tmp_path / "p.json").write_bytes(data)
    with pytest.raises(PlanFileError, match=word):
        read_plan(tmp_path / "p.json")


def test_a_missing_file_and_an_unwritable_place_are_told(tmp_path: Path) -> None:
    with pytest.raises(PlanFileError, match="cannot be read"):
        read_plan(tmp_path / "none.json")
    with pytest.raises(PlanFileError, match="cannot be written"):
        write_plan(made(), tmp_path / "no" / "such" / "plan.json")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**9), with_=st.characters(codec="ascii"))
def test_any_flipped_character_is_an_error_or_no_change(tmp_path: Path, at: int, with_: str) -> None:
    whole = text()
    spot = at % len(whole)
    changed = whole[:spot] + with_ + whole[spot + 1 :]
    (tmp_path / "p.json").write_text(changed)
    try:
        found = read_plan(tmp_path / "p.json")
    except StormsailError:
        return
    assert json.loads(changed) == json.loads(whole) == found.content


def test_an_older_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    content = json.loads(text())
    content["schema_version"] = 1
    content["digest"] = digest_of(content)
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(PlanFileError, match=r"schema version 1, written by an older stormsail.*make the plan again"):
        read_plan(tmp_path / "p.json")
