"""One checked Config, merged from all sources, and every mistake in them told at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from engine.settings import DEMO_DEFAULTS, RESERVED, engine_fields, platform_defaults
from gateway.config.problems import ConfigError, Problem
from gateway.config.settings import DEMO, FORMATS, Config
from gateway.config.sources import Options, Settings, Sources, read_sources
from gateway.config.values import (
    choose,
    convert,
    existing_file,
    model_names,
    model_path,
    nearest,
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A Config, and for each dotted key the source that its value came from."""

    config: Config
    sources: Mapping[str, str]


def load(options: Options, environ: Mapping[str, str], cwd: Path) -> Loaded:
    """Merge all sources into one checked Config.

    Args:
        options: what the command line said.
        environ: the environment variables.
        cwd: where `config.toml`, `profiles/` and `models/` are looked for.

    Raises:
        ConfigError: something is wrong; it lists every problem found.
    """
    cwd = cwd.absolute()
    read = read_sources(options, environ, cwd, platform_defaults())
    problems = list(read.problems)
    values = _values(read, cwd, problems)
    origins = dict.fromkeys(_shapes(), "default")
    origins |= {key: read.settings[key].source for key in values}
    _fill_in(values, origins, problems)
    if problems:
        raise ConfigError(problems)
    return Loaded(_build(values), MappingProxyType(origins))


def _values(read: Sources, cwd: Path, problems: list[Problem]) -> dict[str, Any]:
    """What was set, converted, by dotted key; what can't be becomes a problem."""
    shapes = _shapes()
    values: dict[str, Any] = {}
    for key, setting in _known_only(read.settings, shapes, problems).items():
        try:
            kind = str if key.startswith("templates.") else shapes.get(key, object)
            values[key] = _resolve(key, convert(setting, kind), cwd, read.folder)
        except ValueError as error:
            problems.append(Problem(key, str(error), setting.source))
    return values


def _fill_in(values: dict[str, Any], origins: dict[str, str], problems: list[Problem]) -> None:
    """Add the defaults that depend on other settings."""
    path = values.get("model.path", DEMO)
    if path == DEMO:
        for name, value in DEMO_DEFAULTS.items():
            values.setdefault(f"engine.{name}", value)
            origins.setdefault(f"engine.{name}", "demo model")
    if not values.get("model.names"):
        origins["model.names"] = "from model.path"
        values["model.names"] = _derived_names(path, problems)


def _sections() -> dict[str, Any]:
    return {name: kind for name, kind in get_type_hints(Config).items() if is_dataclass(kind)}


def _shapes() -> dict[str, Any]:
    """The type of every setting with a fixed key, by dotted key."""
    return {
        f"{section}.{key}": kind
        for section, shape in _sections().items()
        for key, kind in get_type_hints(shape, include_extras=True).items()
    }


def _known_only(settings: Settings, shapes: Mapping[str, Any], problems: list[Problem]) -> Settings:
    """Return the settings whose key is known, and report the others."""
    tables = {field.name for field in fields(Config)}
    known = {*shapes, *(key for key in settings if key.startswith("templates."))}
    if not settings.keys() <= known:
        known |= _engine_keys(settings, problems)
    for key, setting in settings.items():
        if key in tables and setting.value != {}:
            problems.append(Problem(key, "must be a table", setting.source))
        elif key not in known | tables:
            problems.append(Problem(key, _unknown(key, known | tables), setting.source))
    return {key: setting for key, setting in settings.items() if key in known}


def _engine_keys(settings: Settings, problems: list[Problem]) -> set[str]:
    try:
        return {f"engine.{name}" for name in engine_fields() - RESERVED.keys()}
    except ModuleNotFoundError as error:
        unchecked = {key for key in settings if key.startswith("engine.")}
        if unchecked:  # said once, not again for every key
            problems.append(Problem("engine", str(error)))
        return unchecked


def _unknown(key: str, known: set[str]) -> str:
    ours = RESERVED.get(key.removeprefix("engine."))
    if ours and key.startswith("engine."):
        return f"is set by the gateway; use {ours}"
    guess = nearest(key, known)
    return f"unknown key; did you mean {guess}?" if guess else "unknown key"


def _resolve(key: str, value: Any, cwd: Path, folder: Path) -> Any:
    """Return what a checked value stands for: a path on this machine, usable names."""
    if key == "model.path":
        return model_path(value, cwd)
    if key == "model.names":
        return model_names(value)
    if key == "thinking.format":
        return choose(value, FORMATS)
    if key == "server.api_keys_file" and value:
        return existing_file(value, folder)
    if key.startswith("templates."):
        if not re.fullmatch(r"templates\.[a-z0-9_-]+", key):
            raise ValueError("a template's name may hold only a-z, 0-9, _ and -")
        return existing_file(value, folder)
    return value


def _derived_names(path: str, problems: list[Problem]) -> tuple[str, ...]:
    try:
        return model_names((Path(path).name,))
    except ValueError as error:
        problems.append(Problem("model.names", f"must be set: {error}", "from model.path"))
        return ()


def _build(values: Mapping[str, Any]) -> Config:
    tables: dict[str, dict[str, Any]] = {field.name: {} for field in fields(Config)}
    for key, value in values.items():
        section, _, name = key.partition(".")
        tables[section][name] = value
    sections: dict[str, Any] = {name: MappingProxyType(table) for name, table in tables.items()}
    for name, shape in _sections().items():
        sections[name] = shape(**tables[name])
    return Config(**sections)
