"""The effective configuration as text: valid TOML, a source beside every value, no secrets."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, time
from typing import Any

from gateway.config.load import Loaded

# `watermark_config` holds a key; "token" counts as a word, so that `tokenizer` stays readable.
SECRET = re.compile(r"(^|_)token$|api_?key|password|secret|^watermark_config$", re.IGNORECASE)


def describe(loaded: Loaded) -> str:
    """Return TOML that loads to the same Config, as far as nothing had to be redacted."""
    return "\n".join(_section(field.name, loaded) for field in fields(loaded.config))


def _section(name: str, loaded: Loaded) -> str:
    lines = [f"[{name}]\n"]
    for key, value in _items(getattr(loaded.config, name)).items():
        shown = _redacted(key, value) if name == "engine" else value
        lines.append(f"{key} = {_toml(shown)}  # {loaded.sources[f'{name}.{key}']}\n")
    return "".join(lines)


def _items(section: Any) -> Mapping[str, object]:
    if isinstance(section, Mapping):
        return section
    return {field.name: getattr(section, field.name) for field in fields(section)}


def _redacted(key: str, value: object) -> object:
    if SECRET.search(key) and not isinstance(value, bool):
        return "***"
    if isinstance(value, Mapping):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_redacted("", item) for item in value]
    return value


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():  # JSON's strings are TOML's, but for one character
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case Mapping():
            return "{" + ", ".join(f"{_key(key)} = {_toml(value[key])}" for key in value) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case date() | time():
            return value.isoformat()
        case _:
            return repr(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)
