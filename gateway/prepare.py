"""What both generating routes do with a request before the engine gets it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from starlette.datastructures import Headers, QueryParams
from starlette.types import Scope

from engine.errors import BadGeneration
from engine.types import Engine, Generation, Prompt
from gateway.config.settings import Config
from gateway.delivery import Delivery
from gateway.exchange import Exchange
from gateway.http.context import RequestContext, context_of
from gateway.http.errors import ModelNotFound
from gateway.life import Life
from gateway.reasoning import (
    SWITCH_WORDS,
    VISIBILITY_WORDS,
    Reasoning,
    Surroundings,
    resolve,
)
from gateway.reply import ReplySettings
from gateway.schema import Body, StreamOptions
from gateway.wire import FIELDS, Dialect, Identity

_DEFAULT_SWITCH = {"auto": None, "on": True, "off": False}
_TOLD_SWITCH = {None: "default", True: "on", False: "off"}


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model name and the words behind it, as in `demo:hidden:nothink`."""

    name: str
    words: tuple[str, ...]


def split_model(text: str) -> ModelName:
    """Take the suffixes off a model's name."""
    name, *words = text.split(":")
    if all(word in VISIBILITY_WORDS or word in SWITCH_WORDS for word in words):
        return ModelName(name, tuple(words))
    return ModelName(text, ())


def resolve_reasoning(body: Body, scope: Scope, config: Config) -> Reasoning:
    """Settle what the request wants of the model's thinking.

    Raises:
        ModelNotFound: the model is not served.
        InvalidRequest: see `reasoning.resolve`.
    """
    model = split_model(body.model or config.model.names[0])
    if model.name not in config.model.names:
        raise ModelNotFound(config.model.names)
    query = QueryParams(scope["query_string"])
    around = Surroundings(
        query={name: query.getlist(name) for name in query},
        header=Headers(scope=scope).getlist("x-reasoning"),
        prefix=context_of(scope).prefixes,
        suffix=model.words,
        visibility=config.thinking.visibility,
        switch=_DEFAULT_SWITCH[config.thinking.default],
    )
    return resolve(body, around)


def check_limit(body: Body, engine: Engine) -> None:
    """Refuse a token limit that no prompt could leave room for.

    Raises:
        BadGeneration: it is above the model's context.
    """
    field, limit = body.token_limit()
    if limit is not None and limit > engine.max_model_len:
        raise BadGeneration(
            f"{field} is {limit}, above the model's maximum context length of "
            f"{engine.max_model_len} tokens.",
            field,
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with its prompts rendered.

    Attributes:
        body: what was asked.
        reasoning: what was resolved.
        warning: a wish that can't be granted; '' if there is none.
        prompts: each prompt, and whether its reply begins with thinking.
        calls_tools: tools are offered, so calls are read.
    """

    body: Body
    reasoning: Reasoning
    warning: str
    prompts: Sequence[tuple[Prompt, bool]]
    calls_tools: bool = False


def prepare_delivery(
    prepared: Prepared, dialect: type[Dialect], config: Config, life: Life, context: RequestContext
) -> Delivery:
    """Everything that it takes to run a request and to answer it."""
    body, reasoning = prepared.body, prepared.reasoning
    stream = (body.stream_options or StreamOptions()) if body.stream else None
    sampling, stops, special = body.sampling(), body.stops(), life.model.special_tags
    prompts = [prompt for prompt, _ in prepared.prompts]
    text_ends = partial(life.engine.text_ends, special_tokens=special)
    read_calls = life.engine.tool_calls if prepared.calls_tools else None
    settings = [
        ReplySettings(life.model.family, inside, stops, reasoning.visibility, text_ends, read_calls)
        for _, inside in prepared.prompts
    ]
    identity = Identity(context.own_id, int(time.time()), config.model.names[0])
    return Delivery(
        generations=[
            Generation(
                f"{context.own_id}-{number}" if number else context.own_id,
                prompt,
                sampling,
                incremental=stream is not None or bool(stops),
                special_tokens=special,
            )
            for number, prompt in enumerate(prompts)
        ],
        exchange=Exchange(prompts, settings, sampling.n),
        dialect=dialect(
            identity,
            FIELDS[config.thinking.field],
            show_thinking=reasoning.visibility == "parsed",
            with_usage=bool(stream and stream.include_usage),
        ),
        model=identity.model,
        visibility=reasoning.visibility,
        headers=_headers(reasoning, prepared.warning),
        stream=stream,
        ping_seconds=config.server.ping_seconds,
    )


def _headers(reasoning: Reasoning, warning: str) -> dict[str, str]:
    told = f"visibility={reasoning.visibility}; thinking={_TOLD_SWITCH[reasoning.switch]}"
    headers = {"X-Thinkgate-Reasoning": told}
    if warning:
        headers["X-Thinkgate-Warning"] = warning
    return headers
