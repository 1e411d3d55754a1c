"""One setting at a time: from what a source gave to the value we use, or a ValueError.

Messages never repeat a value that could be a secret.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from gateway.config.settings import DEMO
from gateway.config.sources import Setting


def convert(setting: Setting, kind: Any) -> Any:
    """Return the setting's value as `kind`, a type that may carry `msgspec.Meta` bounds.

    Raises:
        ValueError: the value has another type or is out of bounds.
    """
    value = setting.value
    if setting.is_text:
        value = _understand(str(value), kind)
    if get_origin(kind) is Literal:
        return choose(value, get_args(kind))
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message = str(error).replace("`", "")
        raise ValueError(message[0].lower() + message[1:]) from None


def choose(value: object, allowed: Collection[str]) -> str:
    """Return the value when it is one of the allowed words, else raise ValueError."""
    if isinstance(value, str) and value in allowed:
        return value
    raise ValueError(f"must be one of {', '.join(allowed)}")


def nearest(key: str, known: Iterable[str]) -> str | None:
    """Return the known dotted key most like an unknown one, or None.

    The same name in another section is a better guess than a similar one in this section.
    """
    names = sorted(known)
    tail = key.rpartition(".")[2]
    same_tail = [name for name in names if name.rpartition(".")[2] == tail]
    if same_tail:
        return difflib.get_close_matches(key, same_tail, n=1, cutoff=0.0)[0]
    return next(iter(difflib.get_close_matches(key, names, n=1)), None)


def model_path(text: str, cwd: Path) -> str:
    """Return `demo`, the absolute path of an existing folder, or a hub id.

    Raises:
        ValueError: the text is none of the three.
    """
    if text == DEMO:
        return text
    if not text:
        raise ValueError("must not be empty")
    path = os.path.expanduser(text)
    for folder in (cwd / path, cwd / "models" / path):
        if os.path.isdir(folder):
            return os.path.abspath(folder)
    if text.startswith(("/", ".", "~")):
        raise ValueError(f"no such folder: {text}")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        return text
    raise ValueError(f"{text!r} is not demo, an existing folder or a hub id like org/name")


def model_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names when a client can tell them apart and ask for them, else ValueError."""
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9._/-]+", name):  # ':' starts a suffix, as in demo:hidden
            raise ValueError(f"{name!r} may hold only letters, digits and . _ / -")
    if len(set(names)) < len(names):
        raise ValueError("names must differ")
    return names


def existing_file(text: str, folder: Path) -> str:
    """Return the absolute path of a file named relative to `folder`, or raise ValueError."""
    path = folder / os.path.expanduser(text)
    if not os.path.isfile(path):
        raise ValueError(f"no such file (relative paths start at {folder})")
    return os.path.abspath(path)


def _understand(text: str, kind: Any) -> object:
    """Read text as TOML where that gives what `kind` wants, else take it as it stands."""
    text.encode()  # an undecodable environment variable has no place in any setting
    value = _toml(text)
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(base) is tuple and not isinstance(value, list):
        return [part.strip() for part in str(value).split(",") if part.strip()]
    if base is str and not isinstance(value, str):
        return text
    return value


def _toml(text: str) -> object:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = table["value"]
    plain = isinstance(value, bool | int | float | str | list | dict)  # a bare date is a name
    return value if plain and len(table) == 1 else text
