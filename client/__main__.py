"""The clients' command line: `thinkgate chat`, `thinkgate eval`, `thinkgate bench`.

python -m client chat --prompt "17 + 25?"
"""

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn, Protocol

from client.openai.errors import ClientError
from client.openai.urls import BASE_URL
from client.text import one_line


class Command(Protocol):
    """What a module of `COMMANDS` offers; `run` returns the exit code, or raises `ClientError`."""

    PURPOSE: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int: ...


COMMANDS: Mapping[str, str] = {
    "chat": "client.chat.command",
    "eval": "client.evaluate.command",
    "bench": "client.bench.command",
}
"""Command -> module, imported only when it is called."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit.

    Exit codes: 0 done, 1 the server, the data or an installation without the extra `client` won't
    do, 2 bad arguments, 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.exit(_run(given))
    except ClientError as error:
        problem = one_line(str(error))
    except ImportError as error:
        if (error.name or "").partition(".")[0] == __package__:
            raise
        problem = f"{error}; install thinkgate[client]"
    except KeyboardInterrupt:
        sys.exit(130)
    print(f"thinkgate {given[0]}: {problem}", file=sys.stderr)
    sys.exit(1)


def _run(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="thinkgate")
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        if given[:1] == [name]:
            command: Command = importlib.import_module(module)
            subparser = subparsers.add_parser(name, description=command.PURPOSE)
            subparser.set_defaults(run=command.run)
            _add_server(subparser)
            command.add_arguments(subparser)
        else:
            subparsers.add_parser(name)
    parsed = parser.parse_args(given)
    code: int = parsed.run(parsed)
    return code


def _add_server(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("server")
    group.add_argument("--base-url", default=BASE_URL, help=f"default: {BASE_URL}")
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    group.add_argument("--api-key", default=key, help="default: $OPENAI_API_KEY")
    group.add_argument("--model", default="", help="default: the first one served")


if __name__ == "__main__":
    main()
