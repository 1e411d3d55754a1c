"""The command line: `thinkgate serve` and `thinkgate check`, and whatever registers as a command.

vLLM may start processes that import this module again, so importing it does nothing.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from typing import NoReturn

from gateway.config.check import describe
from gateway.config.keys import load_keys
from gateway.config.load import load
from gateway.config.problems import ConfigError
from gateway.config.settings import Config
from gateway.config.sources import Options

EXIT_BAD_CONFIGURATION = 78


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_BAD_CONFIGURATION, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit.

    Exit codes: 0 clean stop, 78 bad configuration, 1 not started, 70 engine died while serving,
    130 second SIGINT.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    clients = entry_points(group="thinkgate.commands")
    if given and given[0] in clients.names:
        sys.exit(clients[given[0]].load()(given))
    parsed = _parser(clients).parse_args(given)
    options = Options(
        config=parsed.config,
        profiles=tuple(parsed.profile),
        sets=tuple(parsed.set),
        host=parsed.host,
        port=parsed.port,
        model=parsed.model,
    )
    try:
        loaded = load(options, os.environ, Path.cwd())
        if parsed.command == "serve":
            sys.exit(_serve(loaded.config))
        load_keys(loaded.config.server, os.environ)  # what is wrong with them is told here, too
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_BAD_CONFIGURATION)
    print(describe(loaded), end="")
    sys.exit(0)


def _parser(clients: EntryPoints) -> argparse.ArgumentParser:
    parser = _Parser(prog="thinkgate", description="An OpenAI-compatible gateway around vLLM.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in (
        ("serve", "run the gateway"),
        ("check", "print the effective configuration and the source of every value"),
    ):
        command = commands.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
        command.add_argument("--config", metavar="FILE", help="default: ./config.toml")
        command.add_argument("--profile", metavar="NAME", action="append", default=[])
        command.add_argument("--set", metavar="KEY=VALUE", action="append", default=[])
        command.add_argument("--host")
        command.add_argument("--port", type=int)
        command.add_argument("--model", help="demo, a folder, or a hub id")
    for name in sorted(clients.names):
        commands.add_parser(name, help=f"a client: thinkgate {name} --help")
    return parser


def _serve(config: Config) -> int:
    import uvloop

    from gateway.asgi import build
    from gateway.http.server import serve

    _configure_logging(config)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(build(config), config.server))


def _configure_logging(config: Config) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level="WARNING")
    logging.getLogger("thinkgate").setLevel(config.logging.level.upper())


if __name__ == "__main__":
    main()
