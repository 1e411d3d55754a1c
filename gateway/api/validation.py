"""JSON to a typed body, or an error that names the field.

A field of OpenAI's or vLLM's that is not supported yet is refused wherever it would change the
answer; any other unknown field is ignored unless `[limits] strict` is set.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from gateway.api.bodies import Body, ChatBody, CompletionBody
from gateway.config.settings import LimitsConfig
from gateway.http.errors import InvalidRequest

AnyBody = TypeVar("AnyBody", bound=Body)

_REFUSED_EVERYWHERE: Mapping[str, tuple[object, ...]] = {
    "allowed_token_ids": (None,),
    "bad_words": (None, []),
    "best_of": (None, 1),
    "cache_salt": (None,),
    "echo": (None, False),
    "include_stop_str_in_output": (None, False),
    "length_penalty": (None, 1),
    "logprob_token_ids": (None, []),
    "min_tokens": (None, 0),
    "priority": (None, 0),
    "prompt_embeds": (None,),
    "prompt_logprobs": (None,),
    "repetition_detection": (None,),
    "response_format": (None, {"type": "text"}),
    "return_token_ids": (None, False),
    "skip_special_tokens": (None, True),
    "spaces_between_special_tokens": (None, True),
    "stop_token_ids": (None, []),
    "structured_outputs": (None,),
    "suffix": (None, ""),
    "timings": (None, False),
    "top_logprobs": (None, 0),
    "truncate_prompt_tokens": (None,),
    "use_beam_search": (None, False),
    "vllm_xargs": (None, {}),
    "watermarking": (None, False),
}
_REFUSED_IN_CHAT: Mapping[str, tuple[object, ...]] = {
    "add_generation_prompt": (None, True),
    "add_special_tokens": (None, False),
    "audio": (None,),
    "continue_final_message": (None, False),
    "documents": (None, []),
    "function_call": (None, "none"),
    "functions": (None, []),
    "logprobs": (None, False),
    "modalities": (None, ["text"]),
    "tool_choice": (None, "none", "auto"),
    "web_search_options": (None,),
}
_REFUSED_IN_COMPLETIONS: Mapping[str, tuple[object, ...]] = {
    "add_special_tokens": (None, True),
    "logprobs": (None,),  # here 0 asks for the sampled token's
}
"""Fields that are not supported yet, and the values with which they change nothing."""

_WITHOUT_EFFECT = frozenset(
    {
        *("metadata", "parallel_tool_calls", "prompt_cache_key", "safety_identifier"),
        *("service_tier", "store", "user"),
    }
)
"""Fields of OpenAI's that change nothing about an answer here, so even `strict` lets them pass."""

_RESERVED_VARIABLES = frozenset(
    {
        *("add_generation_prompt", "chat_template", "continue_final_message", "conversation"),
        *("documents", "max_length", "messages", "padding", "return_assistant_tokens_mask"),
        *("return_dict", "return_tensors", "tokenize", "tokenizer_kwargs", "tools", "truncation"),
    }
)
"""Arguments of the renderer that go by the same road as a chat template's variables."""
_LONGEST_NAME = 64
_PATH = re.compile(r" - at `(?:key in )?\$?\.?(.*?)(?:\[\.\.\.\])?`$")
_WITH_VALUE = re.compile(r"^(Invalid (?:enum )?value) .*(?= - at `)", re.DOTALL)


def validate_chat(body: bytes, limits: LimitsConfig) -> ChatBody:
    """Read the body of a chat completion.

    Raises:
        InvalidRequest: it is not JSON, or a field is wrong; names the field.
    """
    chat = _validate(body, ChatBody, {**_REFUSED_EVERYWHERE, **_REFUSED_IN_CHAT}, limits)
    for name in chat.chat_template_kwargs or ():
        if name in _RESERVED_VARIABLES:
            raise InvalidRequest(
                f"{name} can't be set for the chat template.", f"chat_template_kwargs.{name}"
            )
    return chat


def validate_completion(body: bytes, limits: LimitsConfig) -> CompletionBody:
    """Read the body of a completion.

    Raises:
        InvalidRequest: it is not JSON, or a field is wrong; names the field.
    """
    completion = _validate(
        body, CompletionBody, {**_REFUSED_EVERYWHERE, **_REFUSED_IN_COMPLETIONS}, limits
    )
    _cap(len(completion.prompts()), limits.max_prompts, "prompt", "prompts")
    return completion


def _validate(
    body: bytes,
    kind: type[AnyBody],
    refused: Mapping[str, tuple[object, ...]],
    limits: LimitsConfig,
) -> AnyBody:
    fields = _json_object(body)
    for name, neutral in refused.items():
        if fields.get(name) not in neutral:
            raise InvalidRequest(f"{name} is not supported yet.", name)
    if limits.strict:
        unknown = fields.keys() - {*kind.__struct_fields__, *refused, *_WITHOUT_EFFECT}
        if unknown:
            name = min(unknown)[:_LONGEST_NAME]
            raise InvalidRequest(f"Unknown field: {name}.", name)
    try:
        decoded = msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise _bad_field(str(error)) from error
    if decoded.stream_options and not decoded.stream:
        raise InvalidRequest("stream_options needs stream to be true.", "stream_options")
    _cap(decoded.n or 1, limits.max_n, "n", "choices")
    _cap(len(decoded.stops()), limits.max_stop, "stop", "stop strings")
    return decoded


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest("The body is not valid JSON.") from error
    if not isinstance(fields, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return fields


def _bad_field(message: str) -> InvalidRequest:
    """msgspec's "Expected `int`, got `str` - at `$.max_tokens`" as an error of the field.

    "Invalid enum value 'x'" must not repeat what was sent.
    """
    message = _WITH_VALUE.sub(r"\1", message)
    found = _PATH.search(message)
    if found is None:
        field = re.search(r"field `(\w+)`", message)
        return InvalidRequest(f"{message}.", field.group(1) if field else None)
    path = found.group(1)
    return InvalidRequest(f"{path}: {message[: found.start()]}.", path)


def _cap(value: int, limit: int, field: str, what: str) -> None:
    if value > limit:
        raise InvalidRequest(f"At most {limit} {what} are allowed here, got {value}.", field)
