"""Where a reply is shown: on a terminal with dimmed thinking, in a pipe as plain text.

In plain text thinking stands between lines of `<think>` and `</think>`. What is no part of the
reply (figures, errors) goes to stderr, so that a pipe carries the reply alone.

How it works: a reply has two parts, thinking and answer, and `_part` says which one is being shown;
going to the other one ends the first. New lines at the end of a text are held back, since they are
shown only if more of their part comes; those at the beginning of a part never are.
"""

import sys

from rich.console import Console

from client.openai.reply import Reply
from client.openai.types import Piece, Request
from client.text import one_line, printable


class Screen:
    """Shows replies on stdout as they come.

    Args:
        show_thinking: False hides what the model thinks.

    Attributes:
        show_thinking: the same.
    """

    def __init__(self, show_thinking: bool = True) -> None:
        self.show_thinking = show_thinking
        self._console = Console()
        self._notes = Console(stderr=True)
        self._marks = self._console.color_system is None
        self._part = ""
        self._held = ""

    def show(self, piece: Piece) -> None:
        if piece.thinking and self.show_thinking:
            self._say("thinking", piece.thinking)
        if piece.answer:
            self._say("answer", piece.answer)

    def end(self) -> None:
        """End the reply's last line, if there is one."""
        if self._part:
            self._close()
        self._part = ""

    def note(self, text: str) -> None:
        """Say something about a reply, in one line on stderr."""
        self._notes.out(one_line(text), style="dim", highlight=False)

    def warn(self, request: Request, reply: Reply) -> None:
        """Say so if the model thought although it was asked not to."""
        if request.thinking is False and reply.thinking.strip():
            self.note("the model thought although it was asked not to")

    def _say(self, part: str, text: str) -> None:
        if part != self._part:
            text = text.lstrip("\n")
            if not text:
                return
            if self._part:
                self._close()
                self._put("\n")
            self._part = part
            if part == "thinking" and self._marks:
                self._put("<think>\n")
        text = self._held + text
        shown = text.rstrip("\n")  # whether empty lines belong to it shows when more comes
        self._held = text[len(shown) :]
        self._put(shown)

    def _close(self) -> None:
        self._held = ""
        self._put("\n</think>\n" if self._part == "thinking" and self._marks else "\n")

    def _put(self, text: str) -> None:
        if self._console.is_terminal:
            style = "dim" if self._part == "thinking" else None
            self._console.out(printable(text), style=style, end="", highlight=False)
        else:
            sys.stdout.write(text)
            sys.stdout.flush()


def figures(request: Request, reply: Reply) -> str:
    """Return the figures of a reply in one line; formulas as in `client.openai.reply`.

    `N tokens in X s, Y tok/s, TTFT Z ms`: N is usage's completion tokens, thinking included; X is
    E2E; Y is N / X. TTFT is said of streamed replies only.
    """
    words = []
    rate = reply.tokens_per_second
    if reply.e2e is None:
        words.append("no text")
    elif rate is None:
        words.append(f"usage not given, {reply.e2e:.2f} s")
    else:
        words.append(f"{reply.usage.completion_tokens} tokens in {reply.e2e:.2f} s")
        words.append(f"{rate:.1f} tok/s")
    if request.stream and reply.ttft is not None:
        words.append(f"TTFT {reply.ttft * 1000:.0f} ms")
        if reply.thinking and reply.ttft_answer is not None:
            words.append(f"of the answer {reply.ttft_answer * 1000:.0f} ms")
    if reply.finish_reason != "stop":
        words.append(f"finish reason {reply.finish_reason or 'not given'}")
    return ", ".join(words)
