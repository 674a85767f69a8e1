import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.app.config import TEMPLATE, Config, load_config
from stormsail.app.setup import _set
from stormsail.core import ConfigError


def write(tmp_path, text):
    path = tmp_path / "stormsail.toml"
    path.write_text(text)
    return path


def test_the_template_is_valid_and_holds_the_defaults(tmp_path):
    config = load_config(write(tmp_path, TEMPLATE), environ={})
    assert config.tolerance.coverage == "50%" and config.data.dir is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tolerance]\ncoverige = 1", "coverage"),
        ("[tolerence]\ncoverage = 1", "tolerance"),
        ("schema_version = 2", "schema_version 2"),
        ("coverage = [", "TOML"),
        ("[tolerance]\nvenues = 3", "tolerance.venues"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text), environ={})
    assert words in str(caught.value)


def test_a_named_file_must_exist_and_an_unnamed_one_need_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config(environ={}) == Config()
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "other.toml", environ={})


def test_the_environment_is_laid_over_the_file(tmp_path):
    env = {"STORMSAIL__TOLERANCE__VENUES": "binance,bybit", "STORMSAIL__DATA__DIR": "/d", "OTHER": "x"}
    config = load_config(write(tmp_path, TEMPLATE), environ=env)
    assert config.tolerance.venues == ["binance", "bybit"] and config.data.dir == "/d"


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=20))
def test_any_text_set_from_the_command_line_is_read_back_or_refused(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("c") / "stormsail.toml"
    try:
        path.write_text(_set(TEMPLATE, f"portfolio={value}"), encoding="utf-8")
        load_config(path, environ={})
    except ConfigError:
        pass
