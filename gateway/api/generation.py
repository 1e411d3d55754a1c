"""The steps that both generating routes take with a request."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers, QueryParams
from starlette.types import Scope

from engine.errors import BadGeneration
from engine.types import GenerationRequest, Prompt
from gateway.api.bodies import Body, StreamOptions
from gateway.api.models import split_model
from gateway.config.settings import Config
from gateway.http.context import context_of
from gateway.http.errors import ModelNotFound
from gateway.serving.choice import ChoiceState
from gateway.serving.lifecycle import EngineLifecycle
from gateway.serving.request import RequestState
from gateway.serving.run import GenerationRun
from gateway.thinking.profile import ThinkingProfile
from gateway.thinking.wish import Surroundings, ThinkingWish, resolve
from gateway.writers.openai import FIELDS, Identity, OpenAIWriter

_DEFAULT_SWITCH = {"auto": None, "on": True, "off": False}
_TOLD_SWITCH = {None: "default", True: "on", False: "off"}


def resolve_wish(body: Body, scope: Scope, config: Config) -> ThinkingWish:
    """Settle what the request wants of the model's thinking.

    Raises:
        ModelNotFound: the model is not served.
        InvalidRequest: see `wish.resolve`.
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


def check_token_limit(body: Body, max_model_len: int) -> None:
    """Refuse a token limit that no prompt could leave room for.

    Raises:
        BadGeneration: it is above the model's context.
    """
    field, limit = body.token_limit()
    if limit is not None and limit > max_model_len:
        raise BadGeneration(
            f"{field} is {limit}, above the model's maximum context length of "
            f"{max_model_len} tokens.",
            field,
        )


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the engine will be asked to go on from.

    Attributes:
        prompts: one or more.
        warning: a wish that can't be granted; '' if there is none.
        switch: what was done about thinking; None where nothing was.
        tools: whether tools are offered.
    """

    prompts: Sequence[Prompt]
    warning: str
    switch: bool | None = None
    tools: bool = False


def make_run(
    body: Body,
    wish: ThinkingWish,
    rendered: Rendered,
    writer: type[OpenAIWriter],
    lifecycle: EngineLifecycle,
    config: Config,
    scope: Scope,
) -> GenerationRun:
    """Everything that it takes to run a request and to answer it."""
    options = body.stream_options or StreamOptions()
    identity = Identity(context_of(scope).own_id, int(time.time()), config.model.names[0])
    return GenerationRun(
        request=GenerationRequest(
            identity.id,
            rendered.prompts,
            body.sampling(),
            incremental=bool(body.stream or body.stops()),
            written=lifecycle.profile.written,
        ),
        state=_state(body, wish, rendered, lifecycle),
        writer=writer(
            identity,
            FIELDS[config.thinking.field],
            show_thinking=wish.visibility == "parsed",
            include_usage=bool(body.stream and options.include_usage),
        ),
        model=identity.model,
        visibility=wish.visibility,
        headers=_headers(wish, rendered.warning),
        streamed=bool(body.stream),
        continuous_usage=options.continuous_usage_stats,
        ping_seconds=config.server.ping_seconds,
    )


def _state(
    body: Body, wish: ThinkingWish, rendered: Rendered, lifecycle: EngineLifecycle
) -> RequestState:
    profile: ThinkingProfile = lifecycle.profile
    format_name = profile.family.tool_parser

    return RequestState(
        rendered.prompts,
        [
            ChoiceState(
                profile.reply_parser(prompt, rendered.switch, tools=rendered.tools),
                body.stops(),
                wish.visibility,
                lambda text: lifecycle.renderer.tool_calls(format_name, text),
            )
            for prompt in rendered.prompts
            for _ in range(body.n or 1)
        ],
    )


def _headers(wish: ThinkingWish, warning: str) -> dict[str, str]:
    told = f"visibility={wish.visibility}; thinking={_TOLD_SWITCH[wish.switch]}"
    headers = {"X-Thinkgate-Reasoning": told}
    if warning:
        headers["X-Thinkgate-Warning"] = warning
    return headers
