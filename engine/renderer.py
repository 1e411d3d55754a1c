"""The model's text, through vLLM's own renderer: messages and templates to prompts, and back.

Everything here is known from tokenizer and templates alone, so it is there before the engine is.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from jinja2 import TemplateError
from vllm.exceptions import VLLMValidationError
from vllm.renderers import ChatParams
from vllm.renderers.hf import resolve_chat_template
from vllm.renderers.inputs.preprocess import parse_model_prompt

from engine.detokenizer import Detokenizer, make_detokenizer
from engine.errors import BadGeneration, PromptTooLong
from engine.tools import tool_calls
from engine.types import ChatInput, MarkToken, Message, Prompt, ToolCall

_LENGTH_PARAMETERS = ("input_text", "input_tokens")
"""What vLLM's renderer blames when a prompt is too long, before and after tokenizing."""

_LONGEST_TAIL = 8192
"""How far back, in tokens, the turn that is to be written may have begun."""

_LONGEST_INLINE = 256
"""A longer tail is decoded in a thread: it would hold the event loop up."""


class VllmRenderer:
    """`engine.protocol.Renderer` by vLLM, without an engine.

    Args:
        renderer: vLLM's.
        templates: Jinja sources of the configured chat templates, by name.
    """

    def __init__(self, renderer: Any, templates: Mapping[str, str]) -> None:
        self._renderer = renderer
        self._templates = templates
        self._model_config = renderer.model_config
        self._tokenizer = renderer.get_tokenizer()
        self._special_ids = frozenset(self._tokenizer.all_special_ids)
        self._vocabulary = self._model_config.get_vocab_size()
        self.sampling_defaults: Mapping[str, Any] = self._model_config.get_diff_sampling_param()

    def close(self) -> None:
        """End its threads."""
        self._renderer.shutdown()

    @property
    def max_model_len(self) -> int:
        return int(self._model_config.max_model_len)  # vLLM may still fit it to its memory

    def template_source(self, name: str | None) -> str:
        if name is not None:
            return self._templates[name]
        source: str | None = resolve_chat_template(
            self._tokenizer, None, None, model_config=self._model_config
        )
        return source or ""

    def mark_tokens(self, texts: Sequence[str]) -> Sequence[MarkToken]:
        vocabulary = self._tokenizer.get_vocab()
        return [
            MarkToken(text, vocabulary[text], vocabulary[text] in self._special_ids)
            for text in texts
            if text in vocabulary
        ]

    async def render_chat(self, chat: ChatInput) -> Prompt:
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
        except (TemplateError, ValueError, TypeError) as error:
            raise BadGeneration("the chat template refuses these messages", "messages") from error
        token_ids = [*rendered["prompt_token_ids"], *self._encode(chat.prefill)]
        return await self._prompt(token_ids, chat.inside_turn, "messages")

    async def render_text(
        self, prompt: str | Sequence[int], inside_turn: frozenset[int] = frozenset()
    ) -> Prompt:
        if not isinstance(prompt, str):
            strange = next((i for i in prompt if not 0 <= i < self._vocabulary), None)
            if strange is not None:
                raise BadGeneration(f"token id {strange} is not in the vocabulary", "prompt")
            return await self._prompt(prompt, inside_turn, "prompt")
        try:
            parsed = parse_model_prompt(self._model_config, prompt)
            (rendered,) = await self._renderer.render_cmpl_async([parsed])
        except VLLMValidationError as error:
            raise self._refusal(error, "prompt") from error
        return await self._prompt(rendered["prompt_token_ids"], inside_turn, "prompt")

    def detokenizer(
        self, prompt_token_ids: Sequence[int], written: Mapping[int, str]
    ) -> Detokenizer:
        """What turns the reply to a prompt into text; `written` as in `GenerationRequest`."""
        return make_detokenizer(self._tokenizer, prompt_token_ids, written)

    def tool_calls(self, parser: str, text: str) -> Sequence[ToolCall]:
        return tool_calls(self._tokenizer, parser, text)

    async def _prompt(
        self, token_ids: Sequence[int], inside_turn: frozenset[int], field: str
    ) -> Prompt:
        if not token_ids:
            raise BadGeneration("the prompt is empty", field)
        if len(token_ids) >= self.max_model_len:
            raise PromptTooLong(self.max_model_len, len(token_ids), field)
        begins_turn = self._special_ids - inside_turn
        start = len(token_ids) - 1
        earliest = max(0, start - _LONGEST_TAIL)
        while start > earliest and token_ids[start] not in begins_turn:
            start -= 1
        tail = list(token_ids[start:])
        if len(tail) > _LONGEST_INLINE:
            return Prompt(token_ids, await asyncio.to_thread(self._tokenizer.decode, tail))
        return Prompt(token_ids, self._tokenizer.decode(tail))

    def _encode(self, text: str) -> list[int]:
        if not text:
            return []
        token_ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return token_ids

    def _refusal(self, error: VLLMValidationError, field: str) -> Exception:
        if error.parameter in _LENGTH_PARAMETERS:
            counted = error.parameter == "input_tokens"
            return PromptTooLong(self.max_model_len, error.value if counted else None, field)
        return BadGeneration(str(error.args[0]), error.parameter or field)


def _plain(message: Message) -> dict[str, Any]:
    """A message as vLLM's renderer takes it: its two names for thinking become one."""
    turn: dict[str, Any] = msgspec.to_builtins(message)
    thinking = turn.pop("reasoning_content", None) or turn.pop("reasoning", None)
    if thinking is not None:
        turn["reasoning"] = thinking
    return turn
