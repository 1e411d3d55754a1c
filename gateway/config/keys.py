"""API keys: who each belongs to, and whether one that a client presents is known."""

import codecs
import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.problems import ConfigError, Problem
from gateway.config.settings import ServerConfig

_FILE = "server.api_keys_file"
_COMMENT = re.compile(rb"(?:^|\s)#")  # fills its line or follows a space, else it is the key's
_NAME = rb"([A-Za-z0-9_-]{1,64})"
_NAMED = re.compile(_NAME + rb":\s*(.+)")
_SCOPED = re.compile(_NAME + rb"\[[^\]]*\]:")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request is made for: the name of its key. Several keys may share a name."""

    name: str


ANONYMOUS = Principal("anonymous")
"""Whoever has a key without a name, and everybody where no key is asked for."""


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """SHA-256 digests and whose they are; the keys themselves are not kept."""

    entries: tuple[tuple[bytes, Principal], ...] = field(default=(), repr=False)

    @property
    def required(self) -> bool:
        """Whether a key is asked for at all."""
        return bool(self.entries)

    def principal(self, presented: bytes) -> Principal | None:
        """Whose key `presented` is; None if nobody's."""
        digest = hashlib.sha256(presented).digest()
        found = None
        # Every digest is compared, so that the time tells nothing about which one fits.
        for known, principal in self.entries:
            if hmac.compare_digest(digest, known):
                found = principal
        return found


def load_keys(server: ServerConfig, environ: Mapping[str, str]) -> KnownKeys:
    """Read the keys of the environment, which have no names, and of the key file.

    A line of the file is `name:key` where something stands behind the first colon and a name of
    letters, digits, `_` and `-` (64 at most) before it; any other line is a key as it stands.

    Raises:
        ConfigError: the file can't be read; it holds no key, which would open the gateway; a line
            has scopes; or a key has two names. No message repeats a key.
    """
    problems: list[Problem] = []
    owned = [
        (key, ANONYMOUS) for key in os.fsencode(environ.get(server.api_keys_env, "")).split(b",")
    ]
    if server.api_keys_file:
        owned += _read_file(Path(server.api_keys_file), problems)
    principals: dict[bytes, Principal] = {}
    for key, principal in owned:
        if not key.strip():
            continue
        other = principals.setdefault(hashlib.sha256(key.strip()).digest(), principal)
        if other != principal:
            message = f"one key has two names, {other.name} and {principal.name}"
            problems.append(Problem(_FILE, message))
    if problems:
        raise ConfigError(problems)
    return KnownKeys(tuple(principals.items()))


def _read_file(path: Path, problems: list[Problem]) -> list[tuple[bytes, Principal]]:
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        problems.append(Problem(_FILE, error.strerror or "can't be read"))
        return []
    lines = [_COMMENT.split(line)[0].strip() for line in content.splitlines()]
    if not any(lines):
        problems.append(Problem(_FILE, "the file holds no key"))
    return list(_parse(lines, problems))


def _parse(lines: Iterable[bytes], problems: list[Problem]) -> Iterator[tuple[bytes, Principal]]:
    for number, line in enumerate(lines, 1):
        if _SCOPED.match(line):
            problems.append(Problem(_FILE, f"line {number}: scopes are not supported yet"))
        elif named := _NAMED.fullmatch(line):
            yield named[2], Principal(named[1].decode())
        else:
            yield line, ANONYMOUS
