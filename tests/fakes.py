"""A fake engine for everything above it: one character is one token, and the reply is a script."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, repeat

from engine.errors import BadGeneration, EngineDead, EngineError, PromptTooLong
from engine.types import (
    ChatInput,
    Delta,
    FinishReason,
    Function,
    GenerationRequest,
    MarkToken,
    Prompt,
    ToolCall,
)

THINKING = "<think>\nLet me see.\n</think>\n\nIt is 42."
TEMPLATE = "<think></think>{{ enable_thinking }}<tool_call>{{ arguments }}"
_CALL = "<tool_call>"


@dataclass
class FakeEngine:
    """Implements `EngineSetup`, `Renderer` and `Engine` of `engine.protocol`, all in one.

    Attributes:
        reply: what the model writes, thinking included, when it may think.
        plain_reply: what it writes when it may not.
        replies: what single choices write instead, by index.
        cuts: how many characters each delta has, in turn; the last one repeats.
        pause: seconds before each delta.
        fails_after: raise `failure` instead of the delta of this number.
        refuses: raised by `submit`.
        render: what rendering waits for.
        render_failure: raised by rendering.
        hold: deltas wait until it is set, or until the engine fails or dies.
        free: how many deltas do not wait for `hold`.
        starting: what the start waits for.
        start_failure: raised by the start.
        cached_tokens: how many tokens of each prompt were cached.
        template: the model's own chat template.
        templates: the configured ones.
        deaf: leaves `fail_all` unheard.
        requests: all that were submitted.
        chats: all that were rendered.
        ended: the choices that were ended before the engine had finished them.
        marks: what `mark_tokens` finds.
        gathered: what `Submission.gather` was told.
        taken: how many deltas were taken of each request.
    """

    reply: str = THINKING
    plain_reply: str = "It is 42."
    replies: Mapping[int, str] = field(default_factory=dict)
    cuts: Sequence[int] = (1,)
    pause: float = 0.0
    fails_after: int | None = None
    failure: Exception = field(default_factory=lambda: EngineDead("dead"))
    refuses: Exception | None = None
    render: asyncio.Event | None = None
    render_failure: Exception | None = None
    hold: asyncio.Event | None = None
    free: int = 0
    starting: asyncio.Event | None = None
    start_failure: Exception | None = None
    cached_tokens: int = 0
    template: str = TEMPLATE
    templates: dict[str, str] = field(default_factory=dict)
    version: str = "0.32.0"
    max_model_len: int = 4096
    max_num_seqs: int = 4
    dead: bool = False
    deaf: bool = False
    requests: list[GenerationRequest] = field(default_factory=list)
    chats: list[ChatInput] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    marks: Sequence[MarkToken] = ()
    gathered: list[tuple[int, int | None]] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    open: set[str] = field(default_factory=set)
    most_open: int = 0
    failing: EngineError | None = None
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def renderer(self) -> "FakeEngine":
        return self

    @asynccontextmanager
    async def start(self) -> AsyncIterator["FakeEngine"]:
        if self.starting:
            await self.starting.wait()
        if self.start_failure:
            raise self.start_failure
        yield self
        assert not self.open, f"left in the engine: {self.open}"

    @property
    def unfinished(self) -> int:
        return len(self.open)

    @property
    def orphans(self) -> int:
        return 0

    def template_source(self, name: str | None) -> str:
        return self.templates[name] if name else self.template

    def mark_tokens(self, texts: Sequence[str]) -> Sequence[MarkToken]:
        return self.marks

    def tool_calls(self, parser: str, text: str) -> Sequence[ToolCall]:
        assert parser == "hermes"
        try:
            calls = [json.loads(part.split("</tool_call>")[0]) for part in text.split(_CALL)[1:]]
        except ValueError:
            return ()
        return [
            ToolCall(Function(call["name"], json.dumps(call["arguments"])), f"call_{number}")
            for number, call in enumerate(calls)
        ]

    async def render_chat(self, chat: ChatInput) -> Prompt:
        if self.render:
            await self.render.wait()
        if self.render_failure:
            raise self.render_failure
        self.chats.append(chat)
        turns = [f"<|im_start|>{turn.role}\n{turn.content}<|im_end|>\n" for turn in chat.messages]
        tail = "<|im_start|>assistant\n" + chat.prefill
        switchable = "enable_thinking" in self.template_source(chat.template)
        if switchable and chat.variables.get("enable_thinking") is False:
            tail += "<think>\n\n</think>\n\n"
        return self._prompt("".join(turns) + tail, tail, "messages")

    async def render_text(
        self, prompt: str | Sequence[int], inside_turn: frozenset[int] = frozenset()
    ) -> Prompt:
        text = prompt if isinstance(prompt, str) else "".join(map(chr, prompt))
        if not text:
            raise BadGeneration("the prompt is empty", "prompt")
        return self._prompt(text, text, "prompt")

    def _prompt(self, text: str, tail: str, field: str) -> Prompt:
        if len(text) >= self.max_model_len:
            raise PromptTooLong(self.max_model_len, len(text), field)
        return Prompt([ord(character) for character in text], tail)

    @asynccontextmanager
    async def submit(self, request: GenerationRequest) -> AsyncIterator["_FakeSubmission"]:
        if self.refuses:
            raise self.refuses
        assert request.request_id not in self.open
        self.requests.append(request)
        self.open.add(request.request_id)
        self.most_open = max(self.most_open, len(self.open))
        try:
            yield _FakeSubmission(self, request)
        finally:
            self.open.discard(request.request_id)

    def fail_all(self, error: EngineError) -> None:
        if not self.deaf:
            self.failing = error
            self.interrupted.set()

    def die(self) -> None:
        """What a killed engine process looks like from here."""
        self.dead = True
        self.interrupted.set()

    def check(self, number: int) -> None:
        """Fail where delta `number` of a reply is to fail."""
        if self.dead:
            raise EngineDead("dead")
        if self.failing:
            raise self.failing
        if number == self.fails_after:
            raise self.failure

    def pieces(self, text: str) -> list[str]:
        """A reply's text, cut."""
        pieces, at = [], 0
        for cut in chain(self.cuts, repeat(self.cuts[-1])):
            pieces.append(text[at : at + cut])
            at += cut
            if at >= len(text):
                return pieces
        raise AssertionError


class _FakeSubmission:
    """Each `gained` brings the next piece of every choice that is not over."""

    def __init__(self, engine: FakeEngine, request: GenerationRequest) -> None:
        self._engine = engine
        self._id = request.request_id
        self._number = 0
        self._due: float | None = None
        self._error: Exception | None = None
        self._woken = False
        self._changed = asyncio.Event()
        limit = request.sampling.max_tokens
        self._left: dict[int, list[str]] = {}
        self._finish: dict[int, FinishReason] = {}
        for prompt in request.prompts:
            closed = prompt.tail.rstrip().endswith("</think>")
            text = engine.plain_reply if closed else engine.reply
            for _ in range(request.sampling.n):
                index = len(self._left)
                written = engine.replies.get(index, text)
                whole = limit is None or len(written) <= limit
                self._finish[index] = "stop" if whole else "length"
                cut = written[:limit]
                self._left[index] = engine.pieces(cut) if request.incremental else [cut]

    async def gained(self) -> Sequence[Delta]:
        if not (self._error or self._woken):
            await self._wait()
        if self._error:
            raise self._error
        if self._woken:
            self._woken = False
            self._changed.clear()
            return ()
        self._engine.check(self._number)
        self._number += 1
        self._due = None
        self._engine.taken[self._id] += len(self._left)
        deltas = [self._delta(index, pieces) for index, pieces in self._left.items()]
        self._left = {index: pieces for index, pieces in self._left.items() if pieces}
        return deltas

    def _delta(self, index: int, pieces: list[str]) -> Delta:
        text = pieces.pop(0)
        return Delta(
            index,
            [ord(character) for character in text],
            list(text),
            None if pieces else self._finish[index],
            self._engine.cached_tokens,
            None if pieces else 0.001,
            None if pieces else 0.002,
        )

    async def _wait(self) -> None:
        engine = self._engine
        if engine.hold and self._number >= engine.free:
            await _either(engine.hold, engine.interrupted, self._changed)
        if self._error or self._woken:
            return
        if not engine.pause:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        self._due = self._due or loop.time() + engine.pause  # not moved on by a wake
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._due):
                await self._changed.wait()

    def gather(self, index: int, until: int | None) -> None:
        self._engine.gathered.append((index, until))

    def end(self, index: int) -> None:
        assert self._left.pop(index), "ended though it was over"
        self._engine.ended.append(index)

    def wake(self) -> None:
        self._woken = True
        self._changed.set()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._changed.set()


async def _either(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
