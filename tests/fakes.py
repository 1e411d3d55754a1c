"""A fake engine for everything above it: one character is one token, and the reply is a script."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain, repeat
from types import TracebackType
from typing import Self

from engine.errors import BadGeneration, EngineDead, EngineStopping, PromptTooLong
from engine.types import ChatInput, Delta, Function, Generation, Prompt, ToolCall
from parsers.tools import OPEN

THINKING = "<think>\nLet me see.\n</think>\n\nIt is 42."
TEMPLATE = "<think></think>{{ enable_thinking }}<tool_call>{{ arguments }}"


@dataclass
class FakeEngine:
    """Implements `engine.types.Engine`.

    Attributes:
        reply: what the model writes, thinking included, when it may think.
        plain_reply: what it writes when it may not.
        cuts: how many characters each delta has, in turn; the last one repeats.
        pause: seconds before each delta.
        fails_after: raise `failure` instead of the delta of this number.
        refuses: raised by `submit`.
        render: what rendering waits for.
        hold: deltas wait until it is set, or until the engine stops or dies.
        free: how many deltas do not wait for `hold`.
        start: what the start waits for.
        start_failure: raised by the start.
        cached_tokens: how many tokens of each prompt were cached.
        template: the model's own chat template.
        templates: the configured ones.
        deaf: leaves `stop_all` unheard.
    """

    reply: str = THINKING
    plain_reply: str = "It is 42."
    cuts: Sequence[int] = (1,)
    pause: float = 0.0
    fails_after: int | None = None
    failure: Exception = field(default_factory=lambda: EngineDead("dead"))
    refuses: Exception | None = None
    render: asyncio.Event | None = None
    hold: asyncio.Event | None = None
    free: int = 0
    start: asyncio.Event | None = None
    start_failure: Exception | None = None
    cached_tokens: int = 0
    template: str = TEMPLATE
    templates: dict[str, str] = field(default_factory=dict)
    version: str = "0.32.0"
    max_model_len: int = 4096
    max_num_seqs: int = 4
    dead: bool = False
    deaf: bool = False
    generations: list[Generation] = field(default_factory=list)
    chats: list[ChatInput] = field(default_factory=list)
    open: set[str] = field(default_factory=set)
    most_open: int = 0
    stopping: bool = False
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        if self.start:
            await self.start.wait()
        if self.start_failure:
            raise self.start_failure
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert not self.open, f"left in the engine: {self.open}"

    @property
    def unfinished(self) -> int:
        return len(self.open)

    @property
    def orphans(self) -> int:
        return 0

    def template_source(self, name: str | None) -> str:
        return self.templates[name] if name else self.template

    def is_special(self, token: str) -> bool:
        return False

    def tool_calls(self, text: str) -> Sequence[ToolCall]:
        try:
            calls = [json.loads(part.split("</tool_call>")[0]) for part in text.split(OPEN)[1:]]
        except ValueError:
            return ()
        return [
            ToolCall(Function(call["name"], json.dumps(call["arguments"])), f"call_{number}")
            for number, call in enumerate(calls)
        ]

    async def render_chat(self, chat: ChatInput) -> Prompt:
        if self.render:
            await self.render.wait()
        self.chats.append(chat)
        turns = [f"<|im_start|>{turn.role}\n{turn.content}<|im_end|>\n" for turn in chat.messages]
        tail = "<|im_start|>assistant\n" + chat.prefill
        switchable = "enable_thinking" in self.template_source(chat.template)
        if switchable and chat.variables.get("enable_thinking") is False:
            tail += "<think>\n\n</think>\n\n"
        return self._prompt("".join(turns) + tail, tail, "messages")

    async def render_text(self, prompt: str | Sequence[int]) -> Prompt:
        text = prompt if isinstance(prompt, str) else "".join(map(chr, prompt))
        if not text:
            raise BadGeneration("the prompt is empty", "prompt")
        return self._prompt(text, text, "prompt")

    def _prompt(self, text: str, tail: str, field: str) -> Prompt:
        if len(text) >= self.max_model_len:
            raise PromptTooLong(self.max_model_len, len(text), field)
        return Prompt([ord(character) for character in text], tail)

    @asynccontextmanager
    async def submit(self, generation: Generation) -> AsyncIterator[AsyncIterator[Delta]]:
        if self.refuses:
            raise self.refuses
        assert generation.request_id not in self.open
        self.generations.append(generation)
        self.open.add(generation.request_id)
        self.most_open = max(self.most_open, len(self.open))
        try:
            yield self._deltas(generation)
        finally:
            self.open.discard(generation.request_id)

    async def _deltas(self, generation: Generation) -> AsyncIterator[Delta]:
        closed = generation.prompt.tail.rstrip().endswith("</think>")
        text = self.plain_reply if closed else self.reply
        limit = generation.sampling.max_tokens
        finish = "stop" if limit is None or len(text) <= limit else "length"
        text = text[:limit]
        pieces = self._pieces(text) if generation.incremental else [text]
        for number, piece in enumerate(pieces):
            await self._wait(number)
            last = number == len(pieces) - 1
            for index in range(generation.sampling.n):
                delta = Delta(index, piece, [ord(character) for character in piece])
                delta.cached_tokens = self.cached_tokens
                if last:
                    delta.finish_reason = finish  # type: ignore[assignment]
                    delta.queue_seconds, delta.first_token_seconds = 0.001, 0.002
                yield delta

    async def _wait(self, number: int) -> None:
        if self.hold and number >= self.free:
            await self._either(self.hold, self.interrupted)
        await asyncio.sleep(self.pause)
        if self.dead:
            raise EngineDead("dead")
        if self.stopping:
            raise EngineStopping("the server is shutting down")
        if number == self.fails_after:
            raise self.failure

    @staticmethod
    async def _either(*events: asyncio.Event) -> None:
        waiting = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    def _pieces(self, text: str) -> list[str]:
        pieces, at = [], 0
        for cut in chain(self.cuts, repeat(self.cuts[-1])):
            pieces.append(text[at : at + cut])
            at += cut
            if at >= len(text):
                return pieces
        raise AssertionError

    def text_ends(
        self, before: Sequence[int], token_ids: Sequence[int], *, special_tokens: bool
    ) -> Sequence[int]:
        return range(1, len(token_ids) + 1)

    def stop_all(self) -> None:
        if not self.deaf:
            self.stopping = True
            self.interrupted.set()

    def die(self) -> None:
        """What a killed engine process looks like from here."""
        self.dead = True
        self.interrupted.set()
