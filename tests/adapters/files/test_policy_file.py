"""Policy files: what is written is read again, what is wrong is named, and the examples are what they say."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.adapters.files.policy_file import parse_policy, read_policy, render_policy, write_policy
from stormsail.core import ConfigError
from stormsail.watch.policy import HOLD, AfterLoss, Follow, Ladder, Lost, Policy, Rebalance, Roll, Switch

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "policies"
HOUR = timedelta(hours=1)

hours = st.integers(1, 1000).map(lambda n: n * HOUR)
shares = st.floats(0.001, 0.999)


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    rungs = sorted(draw(st.lists(shares, min_size=7, max_size=7, unique=True)))
    withdraw, low, warn, top, back, reduce, close = rungs
    return Ladder(
        warn=warn, top_up=top, top_up_to=low, reduce=reduce, reduce_to=back, close=close, withdraw=withdraw,
        with_spot=draw(st.booleans()), latency=draw(hours), move=draw(st.booleans()),
    )  # fmt: skip


policies = st.builds(
    Policy,
    rebalance=st.builds(Rebalance, st.sampled_from(Follow), hours, st.none() | shares, st.booleans()),
    ladder=st.none() | ladders(),
    roll=st.none() | st.builds(Roll, hours, st.integers(1, 20), st.floats(0, 1).map(lambda x: round(x, 6))),
    switch=st.none() | st.builds(Switch, st.floats(0, 1).map(lambda x: round(x, 6)), hours),
    after_loss=st.builds(AfterLoss, st.sampled_from(Lost), st.just(0 * HOUR) | hours),
    replan=st.none() | hours,
)


@given(policies)
def test_what_is_written_is_read_again(policy):
    assert parse_policy(render_policy(policy)) == policy


def test_an_empty_file_is_the_default():
    assert parse_policy("schema_version = 1") == Policy()


def test_shares_and_spans_as_people_write_them():
    read = parse_policy('schema_version = 1\n[rebalance]\nevery = "1d"\nhalf_width = "3%"\n[ladder]\nlatency = "0"')
    assert read.rebalance == Rebalance(every=24 * HOUR, half_width=0.03)
    assert read.ladder == Ladder(latency=0 * HOUR)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[ladder]\nwran = 0.3", "unknown key ladder.wran. Cure: did you mean warn?"),
        ("[rol]", "unknown key rol. Cure: did you mean roll?"),
        ('[rebalance]\nfollow = "bnd"', "rebalance.follow is 'bnd'. Cure: did you mean band?"),
        ("[rebalance]\nevery = 3", "rebalance.every is 3. Cure: write a span"),
        ('[rebalance]\nevery = "90m"', "not a whole number of hours"),
        ("[ladder]\nwarn = 0.9", "do not rise"),
        ("[ladder]\nwarn = 35", "ladder.warn is 35. Cure: write 35% if you mean so"),
        ("[ladder]\nwith_spot = 1", "ladder.with_spot is 1"),
        ('[after_loss]\nthen = "pray"', "known: nothing, rehedge, sell"),
        ("[roll]\nslices = 0", "0 slices"),
        ("[roll]\nslices = 2.5", "roll.slices is 2.5"),
        ("[switch]\ngain = nan", "switch.gain"),
    ],
)
def test_what_is_wrong_is_named_with_its_cure(text, told):
    with pytest.raises(ConfigError) as error:
        parse_policy(f"schema_version = 1\n{text}", where="mine.toml")
    assert told in str(error.value)
    assert "mine.toml" in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no schema_version"),
        ("schema_version = 2", "2 is not known"),
        ("schema_version = true", "not known"),
        ("x =", "not TOML"),
    ],
)
def test_a_file_of_another_kind(text, told):
    with pytest.raises(ConfigError, match=told):
        parse_policy(text)


def test_files(tmp_path):
    path = tmp_path / "mine.toml"
    write_policy(HOLD, path)
    assert read_policy(path) == HOLD
    with pytest.raises(ConfigError, match="cannot be read"):
        read_policy(tmp_path / "none.toml")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_policy(path)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_policy(HOLD, tmp_path / "no" / "such" / "place.toml")


def test_the_examples_are_what_they_say():
    found = {path.stem: read_policy(path) for path in EXAMPLES.glob("*.toml")}
    assert sorted(found) == ["band", "careful", "clock", "hold"]
    assert found["hold"] == HOLD
    assert found["band"] == Policy()
    assert found["clock"].rebalance == Rebalance(Follow.CLOCK, every=24 * HOUR)
    careful, default = found["careful"].ladder, Ladder()
    assert careful is not None
    for rung in ("warn", "top_up", "top_up_to", "reduce", "reduce_to", "close"):
        assert getattr(careful, rung) < getattr(default, rung)


@pytest.mark.parametrize("name", ["band", "careful", "clock", "hold"])
def test_the_examples_carry_the_comments_of_today(name):
    path = EXAMPLES / f"{name}.toml"
    text = path.read_text(encoding="utf-8")
    about = text.splitlines()[0].removeprefix("# ")
    assert render_policy(read_policy(path), about) == text


def test_the_page_shows_the_default_as_it_is():
    page = (EXAMPLES.parents[1] / "docs" / "how-to" / "policy.md").read_text(encoding="utf-8")
    assert f"```toml\n{(EXAMPLES / 'band.toml').read_text(encoding='utf-8')}```" in page
