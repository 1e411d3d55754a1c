"""How plain text from the environment and from --set is understood."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.load import load
from gateway.config.sources import Options, Setting
from gateway.config.values import convert


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("server.host", "0.0.0.0", "0.0.0.0"),
        ("server.root_path", "123", "123"),
        ("server.ping_seconds", "5", 5.0),
        ("server.cors_origins", "https://a, https://b", ("https://a", "https://b")),
        ("server.cors_origins", '["https://a"]', ("https://a",)),
        ("server.cors_origins", "", ()),
        ("model.names", "7", ("7",)),
        ("model.names", '"x,y"', ("x", "y")),
        ("thinking.default", "off", "off"),
        ("thinking.default", '"off"', "off"),
        ("limits.strict", "true", True),
        ("engine.max_model_len", "4096", 4096),
        ("engine.dtype", "bfloat16", "bfloat16"),
        ("engine.revision", "2024-01-01", "2024-01-01"),
        ("engine.compilation_config", "{mode=3}", {"mode": 3}),
        ("engine.revision", "1\nseed = 2", "1\nseed = 2"),
    ],
)
def test_text_values(tmp_path, key, text, value):
    """Text is TOML where that fits the key, a comma list for lists, else a string."""
    section, name = key.split(".")
    variable = f"THINKGATE_{section}__{name}".upper()

    for loaded in (
        load(Options(sets=(f"{key}={text}",)), {}, tmp_path),
        load(Options(), {variable: text}, tmp_path),
    ):
        table = getattr(loaded.config, section)
        assert (table if section == "engine" else asdict(table))[name] == value


def test_other_variables_are_ignored(tmp_path):
    """Keys, and variables without a double underscore, are no settings."""
    environ = {"THINKGATE_API_KEYS": "k", "THINKGATE_PORT": "tcp://1.2.3.4", "HOME": "/"}

    assert load(Options(), environ, tmp_path) == load(Options(), {}, tmp_path)


@given(key=st.sampled_from(["server.port", "server.host", "model.names"]), text=st.text())
def test_any_text_is_a_value_or_an_error(key, text):
    """No text, however strange, ends in anything but a value or a ValueError."""
    kinds = {"server.port": int, "server.host": str, "model.names": tuple[str, ...]}
    try:
        value = convert(Setting(text, "test", is_text=True), kinds[key])
    except ValueError:
        return
    assert isinstance(value, int | str | tuple)
