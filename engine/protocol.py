"""What the gateway needs of an engine: before it starts, while it runs, and for one request.

`engine.setup`, `engine.core` and `engine.submissions` have vLLM's; tests have a fake.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from engine.errors import EngineError
from engine.types import ChatInput, Delta, GenerationRequest, MarkToken, Prompt, ToolCall


class Renderer(Protocol):
    """The model's text: its tokenizer, its chat templates and its tool calls."""

    @property
    def max_model_len(self) -> int:
        """The context, prompt and reply together, in tokens."""

    def template_source(self, name: str | None) -> str:
        """The Jinja source of a configured chat template, or of the model's own; '' if none."""

    def mark_tokens(self, texts: Sequence[str]) -> Sequence[MarkToken]:
        """Those of `texts` that are single tokens."""

    async def render_chat(self, chat: ChatInput) -> Prompt:
        """Render a conversation.

        Raises:
            PromptTooLong: it leaves no room for a reply.
            BadGeneration: the chat template refuses it.
        """

    async def render_text(
        self, prompt: str | Sequence[int], inside_turn: frozenset[int] = frozenset()
    ) -> Prompt:
        """Tokenize a prompt, or take its token ids as they are; `inside_turn` as in `ChatInput`.

        Raises:
            PromptTooLong: it leaves no room for a reply.
            BadGeneration: it is empty, or has ids that the model does not know.
        """

    def tool_calls(self, parser: str, text: str) -> Sequence[ToolCall]:
        """The calls that the model wrote, each with an id of its own; none if `text` is not sound.

        Args:
            parser: vLLM's name for the format.
            text: the end of an answer, from the first mark of a call on.
        """


class Submission(Protocol):
    """A request that the engine has accepted."""

    async def gained(self) -> Sequence[Delta]:
        """Wait until a choice has gained something, and take all that each has gained.

        Returns:
            At most one delta a choice; none after a `wake`.

        Raises:
            ServerFault: the engine failed.
            Exception: what was given to `fail`.
        """

    def gather(self, index: int, until: int | None) -> None:
        """Let choice `index` gather tokens: nothing of it is wanted before token `until` comes.

        It is handed out earlier where there is much of it. With None, each token is wanted again.
        """

    def end(self, index: int) -> None:
        """Choice `index` is over, whatever the model would still write: its engine request ends.

        It counts as stopped in vLLM's statistics, and has no further deltas.
        """

    def wake(self) -> None:
        """Make `gained` return."""

    def fail(self, error: Exception) -> None:
        """Make `gained` raise `error` once it has returned what was gained until now.

        Nothing is gained afterwards, and the first error stays.
        """


class Engine(Protocol):
    """A running engine."""

    @property
    def version(self) -> str:
        """vLLM's version."""

    @property
    def max_num_seqs(self) -> int:
        """How many sequences run at once."""

    @property
    def dead(self) -> bool:
        """Whether the engine process is gone."""

    @property
    def unfinished(self) -> int:
        """How many choices are being generated."""

    @property
    def orphans(self) -> int:
        """How many requests the engine last said to have beyond those that somebody waits for."""

    def submit(self, request: GenerationRequest) -> AbstractAsyncContextManager[Submission]:
        """Have `request` accepted, all of it; on leaving, whatever is left of it is aborted.

        Raises:
            CallerError: on entry, the engine refuses it.
            ServerFault: on entry, the engine failed.
        """

    def fail_all(self, error: EngineError) -> None:
        """Make every open request fail."""


class EngineSetup(Protocol):
    """An engine that is configured and has not started yet."""

    @property
    def renderer(self) -> Renderer:
        """The model's text, known from its tokenizer and templates alone."""

    def start(self) -> AbstractAsyncContextManager[Engine]:
        """Load the model, and run it until the context is left.

        Raises:
            EngineStartError: on entry, with the cause in its message.
        """
