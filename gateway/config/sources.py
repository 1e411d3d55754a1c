"""Where settings come from: files, profiles, environment and flags, the later ones winning.

Every setting remembers its source. Whether it is known and sensible is decided elsewhere.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.config.problems import Problem

PREFIX = "THINKGATE_"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said about the configuration."""

    config: str | None = None
    profiles: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    host: str | None = None
    port: int | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and its source; `is_text` marks plain text that is still to be understood."""

    value: object
    source: str
    is_text: bool = False


Settings = dict[str, Setting]  # by dotted key


@dataclass(frozen=True, slots=True)
class Sources:
    """All sources merged, the folder of the configuration file, and what could not be read."""

    settings: Settings
    folder: Path
    problems: tuple[Problem, ...]


def read_sources(
    options: Options, environ: Mapping[str, str], cwd: Path, platform: Mapping[str, object]
) -> Sources:
    """Return every setting that some source gives; `platform` holds lowest-ranked `[engine]` ones.

    Unreadable sources become problems, so that the readable ones are still checked.
    """
    problems: list[Problem] = []
    settings = _flatten({"engine": dict(platform)} if platform else {}, "CPU build")
    config_file = cwd / (options.config or "config.toml")
    if options.config is not None or config_file.is_file():
        settings |= _read_file(config_file, cwd, problems)
    for name in options.profiles:
        path = _find_profile(name, config_file.parent, cwd, problems)
        if path is not None:
            settings |= _read_file(path, cwd, problems)
    settings |= dict(_environment(environ, cwd))
    settings |= dict(_assignments(options.sets, problems))
    settings |= dict(_flags(options))
    return Sources(settings, config_file.parent, tuple(problems))


def _read_file(path: Path, cwd: Path, problems: list[Problem]) -> Settings:
    label = str(path.relative_to(cwd) if path.is_relative_to(cwd) else path)
    try:
        return _flatten(tomllib.loads(path.read_text(encoding="utf-8")), label)
    except OSError as error:
        problems.append(Problem(label, error.strerror or "can't be read"))
    except ValueError as error:  # not UTF-8, or not TOML; the latter names the line
        problems.append(Problem(label, str(error)))
    return {}


def _flatten(table: Mapping[str, object], source: str) -> Settings:
    settings: Settings = {}
    for section, body in table.items():
        if isinstance(body, dict) and body:
            settings |= {f"{section}.{key}": Setting(body[key], source) for key in body}
        else:  # an empty or misplaced value; kept under its own name so that it is noticed
            settings[section] = Setting(body, source)
    return settings


def _find_profile(name: str, folder: Path, cwd: Path, problems: list[Problem]) -> Path | None:
    if name.endswith(".toml"):
        return cwd / name
    folders = (folder / "profiles", cwd / "profiles")
    for path in (place / f"{name}.toml" for place in folders):
        if path.is_file():
            return path
    available = sorted({path.stem for place in folders for path in place.glob("*.toml")})
    message = f"unknown profile {name!r}; available: {', '.join(available) or 'none'}"
    problems.append(Problem("--profile", message))
    return None


def _environment(environ: Mapping[str, str], cwd: Path) -> Iterator[tuple[str, Setting]]:
    for name in sorted(environ):
        section, separator, key = name.removeprefix(PREFIX).partition("__")
        if name.startswith(PREFIX) and separator:
            yield f"{section}.{key}".lower(), Setting(environ[name], name, is_text=True)
    model = environ.get("MODEL_PATH")
    if model:
        folder = str(cwd / "models" / os.path.expanduser(model))
        yield "model.path", Setting(folder, "MODEL_PATH")


def _assignments(sets: Sequence[str], problems: list[Problem]) -> Iterator[tuple[str, Setting]]:
    for text in sets:
        key, separator, value = text.partition("=")
        if separator:
            yield key.strip(), Setting(value.strip(), "--set", is_text=True)
        else:  # not repeated in the message: it may hold a secret
            problems.append(Problem("--set", "needs the form key.path=value"))


def _flags(options: Options) -> Iterator[tuple[str, Setting]]:
    if options.host is not None:
        yield "server.host", Setting(options.host, "--host")
    if options.port is not None:
        yield "server.port", Setting(options.port, "--port")
    if options.model is not None:
        yield "model.path", Setting(options.model, "--model")
