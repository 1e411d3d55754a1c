"""`thinkgate check`: its output reloads, names sources and keeps secrets."""

import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.check import describe
from gateway.config.load import Loaded, load
from gateway.config.sources import Options
from tests.gateway.config.files import ROOT, write


def reload(text, tmp_path):
    """Return the Config that a description loads to."""
    path = tmp_path / "described.toml"
    path.write_text(text)
    return load(Options(config=str(path)), {}, tmp_path).config


def test_description_reloads(tmp_path):
    """The description is TOML that loads to the same configuration."""
    write(tmp_path / "chat.jinja")
    write(tmp_path / "models/m/config.json")
    options = Options(
        model="m",
        sets=(
            "server.cors_origins=https://a,https://b",
            "server.drain_seconds=inf",
            "templates.default=chat.jinja",
            'engine.compilation_config={mode = 3, "a b" = [1.5, "x"]}',
            "engine.override_generation_config={temperature = 1e-7}",
        ),
    )
    loaded = load(options, {}, tmp_path)

    assert reload(describe(loaded), tmp_path) == loaded.config


toml_values = st.recursive(
    st.text() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def defaults():
    """Return what is loaded when nobody configures anything."""
    return load(Options(), {}, ROOT)


@given(value=toml_values)
def test_any_engine_value_is_described(defaults, value):
    """Whatever TOML can say for an engine argument, its description reads back unchanged."""
    config = replace(defaults.config, engine={"seed": value})
    text = describe(Loaded(config, {**defaults.sources, "engine.seed": "test"}))

    assert tomllib.loads(text)["engine"]["seed"] == value


def test_description_names_sources(tmp_path):
    """Every value is followed by where it came from."""
    lines = describe(load(Options(port=9), {}, tmp_path)).splitlines()

    assert "port = 9  # --port" in lines
    assert 'host = "127.0.0.1"  # default' in lines


def test_description_redacts(tmp_path):
    """Secrets among the engine's arguments are not shown, at any depth; lookalikes are."""
    sets = (
        "engine.hf_token=sk-hidden",
        "engine.watermark_config={key = 'sk-hidden'}",
        "engine.model_loader_extra_config={a = [{secret = 'sk-hidden', API_KEY = 'sk-hidden'}]}",
        "engine.tokenizer=shown",
    )

    text = describe(load(Options(sets=sets), {}, tmp_path))

    assert "sk-hidden" not in text
    assert 'hf_token = "***"' in text
    assert 'tokenizer = "shown"' in text
    assert "hf_token = true" in describe(
        load(Options(sets=("engine.hf_token=true",)), {}, tmp_path)
    )
