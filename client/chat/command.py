"""Talk to a model: one question, a template, or a session.

thinkgate chat --prompt "17 + 25?"
"""

import argparse
import asyncio
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import get_type_hints

import msgspec

from client.chat.prompts import Sampling, load, shipped
from client.chat.screen import Screen
from client.chat.session import answer, converse
from client.openai.reply import Reply, ask, milliseconds
from client.openai.server import Server
from client.openai.types import Message, Request, Usage

PURPOSE = (
    "Talk to a model: one question, a template, or, with neither, a session. The reply goes to "
    "stdout, thinking dimmed, or in plain text between <think> and </think>; the figures go to "
    "stderr: N tokens (completion tokens, thinking included) in X s (from sending to the last "
    "text), N / X tok/s, TTFT (from sending to the first text)."
)

_SAMPLING = ("max_tokens", "temperature", "top_p", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(complain=parser.error)
    group = parser.add_argument_group("what to ask")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--prompt", metavar="TEXT", type=_text)
    source.add_argument(
        "--template", metavar="FILE", help="a YAML file, or a shipped template's name"
    )
    source.add_argument("--list-templates", action="store_true", help="print the shipped names")
    group.add_argument(
        "--var", metavar="NAME=VALUE", type=_variable, action="append", default=[],
        help="a variable of the template; may be given many times",
    )  # fmt: skip
    group.add_argument("--system", metavar="TEXT", type=_text, help="the system message")
    group = parser.add_argument_group("how to answer; these win over the template")
    group.add_argument("--no-think", action="store_true", help="ask the model not to think")
    for key in _SAMPLING:
        group.add_argument(f"--{key.replace('_', '-')}", metavar="N", type=_sampling(key))
    group = parser.add_argument_group("what to show")
    group.add_argument("--no-thinking", action="store_true", help="hide what the model thinks")
    group.add_argument(
        "--stream", action=argparse.BooleanOptionalAction, default=True,
        help="whether the reply comes piece by piece; default: yes",
    )  # fmt: skip
    group.add_argument("--json", action="store_true", help="print one JSON object, times in ms")


def run(arguments: argparse.Namespace) -> int:
    """Answer, and return the exit code.

    Raises:
        ClientError: the template has mistakes, nobody answers, or the server refuses.
    """
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # rather a question mark than no reply
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read us has gone, and the flush at exit must not fail too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _run(arguments: argparse.Namespace) -> int:
    if arguments.list_templates:
        print("\n".join(shipped()))
        return 0
    request = _request(arguments)
    server = Server(arguments.base_url, arguments.api_key, arguments.model)
    screen = Screen(not arguments.no_thinking)
    if not request.messages or request.messages[-1].role != "user":
        complete = converse(server, request, screen)
        return 0 if complete or sys.stdin.isatty() else 1
    asyncio.run(_once(server, request, screen, arguments.json))
    return 0


async def _once(server: Server, request: Request, screen: Screen, as_json: bool) -> None:
    async with server:
        if as_json:
            reply = await ask(server, request)
            print(_json(server.model, request, reply, screen.show_thinking))
            screen.warn(request, reply)
        else:
            await answer(server, request, screen)


def _request(arguments: argparse.Namespace) -> Request:
    """Return what is asked; without a question, what every request of the session shares."""
    if arguments.var and arguments.template is None:
        arguments.complain("--var needs --template")
    request = Request()
    if arguments.template is not None:
        request = load(arguments.template, dict(arguments.var))
    elif arguments.prompt is not None:
        request = Request((Message("user", arguments.prompt),))
    elif arguments.json:
        arguments.complain("--json needs --prompt or --template")
    messages = request.messages
    if arguments.system is not None:
        others = (message for message in messages if message.role != "system")
        messages = (Message("system", arguments.system), *others)
    given = {
        key: getattr(arguments, key) for key in _SAMPLING if getattr(arguments, key) is not None
    }
    return replace(
        request,
        messages=messages,
        max_tokens=given.pop("max_tokens", request.max_tokens),
        thinking=False if arguments.no_think else request.thinking,
        stream=arguments.stream,
        fields={**request.fields, **given},
    )


def _json(model: str, request: Request, reply: Reply, show_thinking: bool) -> str:
    rate = reply.tokens_per_second
    return json.dumps(
        {
            "model": model,
            "thinking": reply.thinking if show_thinking else None,
            "answer": reply.answer,
            "finish_reason": reply.finish_reason or None,
            "usage": None if reply.usage == Usage() else asdict(reply.usage),
            "timings": {
                "ttft_ms": milliseconds(reply.ttft) if request.stream else None,
                "ttft_answer_ms": milliseconds(reply.ttft_answer) if request.stream else None,
                "tpot_ms": milliseconds(reply.tpot) if request.stream else None,
                "e2e_ms": milliseconds(reply.e2e),
                "tokens_per_second": None if rate is None else round(rate, 3),
            },
        }
    )


def _text(given: str) -> str:
    try:
        given.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("that is not UTF-8") from None
    return given


def _variable(given: str) -> tuple[str, str]:
    name, equals, value = _text(given).partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{given!r} is not NAME=VALUE")
    return name, value


def _sampling(key: str) -> Callable[[str], object]:
    type_ = get_type_hints(Sampling, include_extras=True)[key]

    def parse(given: str) -> object:
        try:
            return msgspec.convert(given, type_, strict=False)
        except msgspec.ValidationError as error:
            raise argparse.ArgumentTypeError(f"{given!r}: {error}") from None

    return parse
