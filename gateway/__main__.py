"""The command line: `thinkgate serve` and `thinkgate check`; the clients have one of their own.

vLLM may start processes that import this module again, so importing it does nothing.
"""

import argparse
import asyncio
import importlib
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

from client.__main__ import COMMANDS
from client.__main__ import main as client_main
from engine.demo import MODEL
from engine.settings import engine_arguments
from engine.types import Engine
from gateway.config.check import describe
from gateway.config.keys import KnownKeys, load_keys
from gateway.config.load import Loaded, load
from gateway.config.problems import ConfigError
from gateway.config.settings import DEMO, Config
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
    if given[:1] and given[0] in COMMANDS:
        client_main(given)
    parsed = _parser().parse_args(given)
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
        keys = load_keys(loaded.config.server, os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_BAD_CONFIGURATION)
    if parsed.command == "check":
        print(describe(loaded), end="")
        sys.exit(0)
    sys.exit(_serve(loaded, keys))


def _parser() -> argparse.ArgumentParser:
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
    for name in COMMANDS:
        commands.add_parser(name, help=f"a client: thinkgate {name} --help")
    return parser


def _serve(loaded: Loaded, keys: KnownKeys) -> int:
    import uvloop

    from gateway.asgi import build
    from gateway.http.server import serve

    config = loaded.config
    _configure_logging(config)
    templates = {name: Path(path).read_text() for name, path in config.templates.items()}

    model = str(MODEL) if config.model.path == DEMO else config.model.path

    @asynccontextmanager
    async def start_engine(seconds: dict[str, float]) -> AsyncIterator[Engine]:
        started = time.perf_counter()
        # Importing vLLM takes seconds; probes are answered meanwhile.
        runner = await asyncio.to_thread(importlib.import_module, "engine.runner")
        imported = time.perf_counter()
        seconds["import"] = imported - started
        arguments = engine_arguments(config.engine, model, config.model.names)
        async with runner.VllmEngine(arguments, templates) as engine:
            seconds["engine"] = time.perf_counter() - imported
            yield engine

    # What is generated here is nobody else's business, not even in numbers.
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(build(config, keys, start_engine), config.server))


def _configure_logging(config: Config) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level="WARNING")
    logging.getLogger("thinkgate").setLevel(config.logging.level.upper())


if __name__ == "__main__":
    main()
