"""A conversation at the keyboard: questions are read, replies shown, and the history kept.

How it works: reading a line blocks, so the event loop runs during replies only, and one
`asyncio.Runner` keeps the server's connections from reply to reply. Only a question whose reply
came whole joins the history, together with its answer and without its thinking; one that failed or
was stopped leaves the history as it was. At a terminal Ctrl-C drops the line or stops the reply,
and the session goes on; where lines come from a pipe it ends everything, since nobody is there to
go on.
"""

import asyncio
import sys
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import replace

from client.chat.screen import Screen, figures
from client.openai.errors import ClientError
from client.openai.reply import Reply, ReplyBuilder
from client.openai.server import Server
from client.openai.types import Message, Request

_HELP = "/clear forgets the conversation, /exit or Ctrl-D leaves, Ctrl-C stops a reply"


async def answer(server: Server, request: Request, screen: Screen) -> Reply:
    """Show a reply as it comes, then its figures.

    Raises:
        ClientError: as `Server.generate`; what came before stays on the screen.
    """
    builder = ReplyBuilder()
    try:
        async with aclosing(server.generate(request)) as pieces:
            async for piece in pieces:
                builder.add(piece)
                screen.show(piece)
    finally:
        screen.end()
    screen.note(figures(request, builder.reply))
    screen.warn(request, builder.reply)
    return builder.reply


def converse(server: Server, first: Request, screen: Screen) -> bool:
    """Answer each line of stdin until it ends; whether all of them were answered.

    Args:
        server: not entered yet.
        first: what every request has in common; its messages begin the conversation.
        screen: where replies go.

    Raises:
        ClientError: the server isn't there to begin with.
    """
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        runner.run(stack.enter_async_context(server))
        try:
            session = _Session(runner, server, first, screen)
            session.talk()
        finally:
            runner.run(stack.aclose())
    return session.complete


class _Session:
    def __init__(
        self, runner: asyncio.Runner, server: Server, first: Request, screen: Screen
    ) -> None:
        self.complete = True
        self._runner = runner
        self._server = server
        self._first = first
        self._screen = screen
        self._history = first.messages
        self._person = sys.stdin.isatty()

    def talk(self) -> None:
        if self._person:
            with suppress(ImportError):
                import readline  # noqa: F401 - gives input() its line editing
            self._screen.note(f"{self._server.model} at {self._server.base_url}; {_HELP}")
        while (line := self._read()) is not None and line != "/exit":
            if line == "/clear":
                self._history = self._first.messages
            elif line == "/help":
                self._screen.note(_HELP)
            elif line:
                self._ask(line)

    def _read(self) -> str | None:
        try:
            return input("> " if self._person and sys.stdout.isatty() else "").strip()
        except EOFError:
            line = None
        except KeyboardInterrupt:
            if not self._person:
                raise
            line = ""
        if self._person:
            print(file=sys.stderr)  # after what was typed
        return line

    def _ask(self, question: str) -> None:
        messages = (*self._history, Message("user", question))
        try:
            reply = self._runner.run(self._turn(replace(self._first, messages=messages)))
        except ClientError as error:
            self.complete = False
            self._screen.note(f"{error}; the question is not kept")
        except KeyboardInterrupt:
            if not self._person:
                raise
            self._screen.note("stopped; the question is not kept")
        else:
            self._history = (*messages, Message("assistant", reply.answer))

    async def _turn(self, request: Request) -> Reply:
        await asyncio.sleep(0)  # notice connections that the server closed since the last reply
        return await answer(self._server, request, self._screen)
