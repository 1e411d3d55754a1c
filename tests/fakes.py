"""A fake engine for everything above it: one character is one token, and the reply is a script."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from engine.errors import BadGeneration, EngineDead, EngineError, EngineStopping, PromptTooLong
from engine.types import ChatInput, Delta, Generation, Prompt

THINKING = "<think>\nLet me see.\n</think>\n\nIt is 42."
TEMPLATE = "<think></think>{{ enable_thinking }}"


@dataclass
class FakeEngine:
    """Implements `engine.types.Engine`.

    Attributes:
        reply: what the model writes, thinking included, when it may think.
        plain_reply: what it writes when it may not.
        cuts: how many characters each delta has, in turn; the last one repeats.
        pause: seconds before each delta.
        fails_after: raise `failure` instead of the delta of this number.
        hold: deltas wait until it is set.
    """

    reply: str = THINKING
    plain_reply: str = "It is 42."
    cuts: Sequence[int] = (1,)
    pause: float = 0.0
    fails_after: int | None = None
    failure: EngineError = field(default_factory=lambda: EngineDead("dead"))
    refuses: EngineError | None = None
    hold: asyncio.Event | None = None
    templates: dict[str, str] = field(default_factory=dict)
    version: str = "0.32.0"
    max_model_len: int = 4096
    max_num_seqs: int = 4
    dead: bool = False
    generations: list[Generation] = field(default_factory=list)
    chats: list[ChatInput] = field(default_factory=list)
    open: set[str] = field(default_factory=set)
    stopping: bool = False

    async def __aenter__(self) -> Self:
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
        return self.templates[name] if name else TEMPLATE

    def is_special(self, token: str) -> bool:
        return False

    async def render_chat(self, chat: ChatInput) -> Prompt:
        self.chats.append(chat)
        turns = [f"<|im_start|>{turn.role}\n{turn.content}<|im_end|>\n" for turn in chat.messages]
        tail = "<|im_start|>assistant\n" + chat.prefill
        if chat.variables.get("enable_thinking") is False:
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
                ids = [ord(character) for character in piece]
                yield Delta(index, piece, ids, finish if last else None, 0)  # type: ignore[arg-type]

    async def _wait(self, number: int) -> None:
        if self.hold:
            await self.hold.wait()
        await asyncio.sleep(self.pause)
        if self.stopping:
            raise EngineStopping("the server is shutting down")
        if number == self.fails_after:
            raise self.failure

    def _pieces(self, text: str) -> list[str]:
        pieces, cuts = [], list(self.cuts)
        while text:
            size = cuts.pop(0) if len(cuts) > 1 else cuts[0]
            pieces.append(text[:size])
            text = text[size:]
        return pieces or [""]

    def tokens_covering(
        self, token_ids: Sequence[int], length: int, *, special_tokens: bool
    ) -> int:
        return length

    def stop_all(self) -> None:
        self.stopping = True
