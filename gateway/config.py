"""The configuration: its shape with every default, and how one frozen Config is loaded."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_type_hints

from msgspec import Meta

from engine.settings import DEMO_DEFAULTS, RESERVED, engine_fields, platform_defaults
from gateway.layers import ConfigError, Options, Problem, Settings, read_layers
from gateway.values import (
    DEMO,
    choose,
    convert,
    existing_file,
    model_names,
    model_path,
    nearest,
)
from parsers import formats

__all__ = ["Config", "ConfigError", "Loaded", "Options", "Problem", "load", "load_api_keys"]

FORMATS = ("auto", *formats.FORMATS)
"""What `[thinking] format` may be."""

Count = Annotated[int, Meta(ge=1)]
VariableName = Annotated[str, Meta(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?\Z")]


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where we listen, who may come in, and how long we wait."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    root_path: str = ""
    api_keys_env: VariableName = "THINKGATE_API_KEYS"
    api_keys_file: str = ""
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 8 * 1024 * 1024
    ping_seconds: Annotated[float, Meta(gt=0)] = 15.0
    drain_seconds: Annotated[float, Meta(ge=0)] = 60.0


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which model, and the names clients know it by; the first one is canonical."""

    path: str = DEMO
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ThinkingConfig:
    """How thinking is recognised, shown and switched when a request does not say."""

    format: str = "auto"
    visibility: Literal["parsed", "hidden", "raw"] = "parsed"
    field: Literal["both", "reasoning_content", "reasoning"] = "both"
    default: Literal["auto", "on", "off"] = "auto"


@dataclass(frozen=True, slots=True)
class WarmupConfig:
    """What runs before the gateway says it is ready."""

    enabled: bool = True
    batch: Annotated[int, Meta(ge=0)] = 0
    max_tokens: Count = 8


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """What one request may ask for, and how many may run."""

    strict: bool = False
    max_n: Annotated[int, Meta(ge=1, le=128)] = 16
    max_prompts: Count = 64
    max_stop: Count = 16
    max_concurrent_requests: Count = 1024


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    """What is written to the log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    access: bool = True


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Who may read the metrics."""

    public: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the gateway is told; paths are absolute and `model.names` is never empty."""

    server: ServerConfig
    model: ModelConfig
    engine: Mapping[str, object]
    thinking: ThinkingConfig
    templates: Mapping[str, str]
    warmup: WarmupConfig
    limits: LimitsConfig
    logging: LoggingConfig
    metrics: MetricsConfig


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
    layers = read_layers(options, environ, cwd, platform_defaults())
    problems = list(layers.problems)
    shapes = _shapes()
    settings = _known_only(layers.settings, shapes, problems)
    values: dict[str, Any] = {}
    for key, setting in settings.items():
        try:
            kind = str if key.startswith("templates.") else shapes.get(key, object)
            values[key] = _resolve(key, convert(setting, kind), cwd, layers.folder)
        except ValueError as error:
            problems.append(Problem(key, str(error), setting.source))
    sources = dict.fromkeys(shapes, "default") | {key: settings[key].source for key in values}
    if values.get("model.path", DEMO) == DEMO:
        for name, value in DEMO_DEFAULTS.items():
            values.setdefault(f"engine.{name}", value)
            sources.setdefault(f"engine.{name}", "demo model")
    if values.get("model.names", ()) == ():
        sources["model.names"] = "from model.path"
        values["model.names"] = _derived_names(values.get("model.path", DEMO), problems)
    if problems:
        raise ConfigError(problems)
    return Loaded(_build(values), MappingProxyType(sources))


def load_api_keys(server: ServerConfig, environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the SHA-256 digests of all keys; the keys themselves are not kept.

    Raises:
        ConfigError: the key file can't be read or holds no key, which would open the gateway.
    """
    keys = os.fsencode(environ.get(server.api_keys_env, "")).split(b",")
    if server.api_keys_file:
        try:
            lines = Path(server.api_keys_file).read_bytes().splitlines()
        except OSError as error:
            message = error.strerror or "can't be read"
            raise ConfigError([Problem("server.api_keys_file", message, "")]) from None
        # A comment fills its line or follows a space; '#' inside a key belongs to the key.
        file_keys = [re.split(rb"(?:^|\s)#", line)[0].strip() for line in lines]
        if not any(file_keys):
            raise ConfigError([Problem("server.api_keys_file", "the file holds no key", "")])
        keys += file_keys
    stripped = (key.strip() for key in keys)
    return tuple(dict.fromkeys(hashlib.sha256(key).digest() for key in stripped if key))


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
            problems.append(Problem("engine", str(error), ""))
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
