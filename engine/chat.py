"""Messages and chat templates to prompts, through vLLM's own renderer."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from vllm.exceptions import VLLMValidationError
from vllm.renderers import ChatParams
from vllm.renderers.hf import resolve_chat_template
from vllm.renderers.inputs.preprocess import parse_model_prompt

from engine.errors import BadGeneration, PromptTooLong
from engine.tokens import text_ends
from engine.tools import tool_calls
from engine.types import ChatInput, Message, Prompt, ToolCall

_LENGTH_PARAMETERS = ("input_text", "input_tokens")
"""What vLLM's renderer blames when a prompt is too long, before and after tokenizing."""

_LONGEST_TAIL = 8192
"""How far back, in tokens, the turn that is to be written may have begun."""


class ChatRenderer:
    """Renders prompts for one engine.

    Args:
        llm: the running `AsyncLLM`.
        templates: Jinja sources of the configured chat templates, by name.
    """

    def __init__(self, llm: Any, templates: Mapping[str, str]) -> None:
        self._model_config = llm.model_config
        self._renderer = llm.renderer
        self._templates = templates
        self._tokenizer = llm.renderer.get_tokenizer()
        self._special_ids = frozenset(self._tokenizer.all_special_ids)
        self._vocabulary = llm.model_config.get_vocab_size()
        self._limit: int = llm.model_config.max_model_len

    def template_source(self, name: str | None) -> str:
        """The Jinja source of a configured template, or of the model's own; '' if none."""
        if name is not None:
            return self._templates[name]
        source: str | None = resolve_chat_template(
            self._tokenizer, None, None, model_config=self._model_config
        )
        return source or ""

    def is_special(self, token: str) -> bool:
        """Whether `token` is a single special token of the vocabulary."""
        return self._tokenizer.convert_tokens_to_ids(token) in self._special_ids

    async def chat(self, chat: ChatInput) -> Prompt:
        """Render a conversation (see `Engine.render_chat`)."""
        params = ChatParams(
            chat_template=self._templates[chat.template] if chat.template else None,
            chat_template_kwargs={
                **chat.variables,
                "tools": [msgspec.to_builtins(tool) for tool in chat.tools] or None,
                "add_generation_prompt": True,
                "continue_final_message": False,
                "tokenize": False,
            },
        )
        turns = [_plain(message) for message in chat.messages]
        try:
            _, (rendered,) = await self._renderer.render_chat_async([turns], params)
        except TimeoutError as error:
            raise BadGeneration("rendering the chat template took too long", "messages") from error
        except VLLMValidationError as error:
            raise self._refusal(error, "messages") from error
        except (ValueError, TypeError) as error:
            raise BadGeneration("the chat template refuses these messages", "messages") from error
        return self._prompt(
            [*rendered["prompt_token_ids"], *self._encode(chat.prefill)], "messages"
        )

    async def text(self, prompt: str | Sequence[int]) -> Prompt:
        """Tokenize a prompt (see `Engine.render_text`)."""
        if not isinstance(prompt, str):
            strange = next((i for i in prompt if not 0 <= i < self._vocabulary), None)
            if strange is not None:
                raise BadGeneration(f"token id {strange} is not in the vocabulary", "prompt")
            return self._prompt(prompt, "prompt")
        try:
            parsed = parse_model_prompt(self._model_config, prompt)
            (rendered,) = await self._renderer.render_cmpl_async([parsed])
        except VLLMValidationError as error:
            raise self._refusal(error, "prompt") from error
        return self._prompt(rendered["prompt_token_ids"], "prompt")

    def text_ends(
        self, before: Sequence[int], token_ids: Sequence[int], *, special_tokens: bool
    ) -> Sequence[int]:
        """How far the text has got with each token (see `Engine.text_ends`)."""
        return text_ends(self._tokenizer, before, token_ids, special_tokens=special_tokens)

    def tool_calls(self, text: str) -> Sequence[ToolCall]:
        """The calls in the end of an answer (see `Engine.tool_calls`)."""
        return tool_calls(self._tokenizer, text)

    def _prompt(self, token_ids: Sequence[int], field: str) -> Prompt:
        if not token_ids:
            raise BadGeneration("the prompt is empty", field)
        if len(token_ids) >= self._limit:
            raise PromptTooLong(self._limit, len(token_ids), field)
        start = len(token_ids) - 1
        earliest = max(0, start - _LONGEST_TAIL)
        while start > earliest and token_ids[start] not in self._special_ids:
            start -= 1
        return Prompt(token_ids, self._tokenizer.decode(list(token_ids[start:])))

    def _encode(self, text: str) -> list[int]:
        if not text:
            return []
        token_ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return token_ids

    def _refusal(self, error: VLLMValidationError, field: str) -> Exception:
        if error.parameter in _LENGTH_PARAMETERS:
            counted = error.parameter == "input_tokens"
            return PromptTooLong(self._limit, error.value if counted else None, field)
        return BadGeneration(str(error.args[0]), error.parameter or field)


def _plain(message: Message) -> dict[str, Any]:
    """A message as vLLM's renderer takes it: its two names for thinking become one."""
    turn: dict[str, Any] = msgspec.to_builtins(message)
    thinking = turn.pop("reasoning_content", None) or turn.pop("reasoning", None)
    if thinking is not None:
        turn["reasoning"] = thinking
    return turn
