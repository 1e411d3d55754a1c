"""Holds back an answer's tool calls until it is over.

How it works
------------
Models of the Hermes family (Qwen3 among them) write a call as `<tool_call>{json}</tool_call>` into
the answer. What stands before the first opening tag is given out as it comes, but for a suffix that
may still become the tag. From there on everything is held: only the end tells whether the calls
are sound, and a client can use a call only when it is whole. Reading the JSON is vLLM's business.
"""

from parsers.tags import TagSplitter

OPEN = "<tool_call>"


def calls_tools(template: str) -> bool:
    """Whether a chat template, as Jinja source, tells its model to write calls this way."""
    return OPEN in template and "arguments" in template


class ToolCallHolder:
    """Takes one answer.

    Attributes:
        held: the answer from its first call on; '' if there is none.
    """

    def __init__(self) -> None:
        self._splitter = TagSplitter((OPEN,))
        self.held = ""

    def feed(self, text: str) -> str:
        """Take the next text of the answer; return what is not part of a call."""
        return self._pass(self._splitter.feed(text))

    def finish(self) -> str:
        """The answer is over: return what was held back though it is no call."""
        return self._pass(self._splitter.finish())

    def _pass(self, pieces: list[tuple[str, bool]]) -> str:
        passed = ""
        for piece, is_tag in pieces:
            if is_tag or self.held:
                self.held += piece
            else:
                passed += piece
        return passed
