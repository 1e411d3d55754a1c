"""What an API's writer turns into bytes; `gateway.writers` has one a file."""

from collections.abc import Sequence
from typing import Protocol

from gateway.http.errors import ApiError
from gateway.serving.choice import ChoiceState, Piece
from gateway.serving.request import Usage


class Writer(Protocol):
    """One response's writer. `usage` is given where the client wants it with every chunk.

    A stream is, for each choice, `opened`, then any number of `delta`, then `finished`; and after
    all of them `ended`, or at any time `failed`. Ids, terminators and error frames are its own.
    """

    def opened(self, index: int, usage: Usage | None, *, alone: bool) -> bytes:
        """A choice's first chunk, before any text; may be nothing unless it is `alone`.

        Its first token may have no text yet, and clients measure TTFT by the first chunk.
        """

    def delta(self, index: int, piece: Piece, usage: Usage | None) -> bytes:
        """What a choice has gained; `piece` is not empty."""

    def finished(self, index: int, choice: ChoiceState, usage: Usage | None) -> bytes:
        """A choice's last chunk."""

    def ended(self, usage: Usage) -> bytes:
        """The end of a whole stream."""

    def failed(self, error: ApiError) -> bytes:
        """The end of a stream that can't go on: nothing before it may pass for a whole reply."""

    def whole(self, choices: Sequence[ChoiceState], pieces: Sequence[Piece], usage: Usage) -> bytes:
        """The body of a response that is not streamed."""
