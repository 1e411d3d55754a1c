"""What the generating routes have in common: the steps from a request to its response."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from engine.errors import BadGeneration
from engine.types import GenerationRequest, Prompt
from gateway.api.bodies import Body, StreamOptions
from gateway.api.models import split_model
from gateway.config.settings import Config
from gateway.http.body import read_json
from gateway.http.context import context_of
from gateway.http.errors import ModelNotFound
from gateway.serving.choice import ChoiceState
from gateway.serving.lifecycle import EngineLifecycle
from gateway.serving.request import RequestState
from gateway.serving.run import GenerationRun
from gateway.thinking.wish import Surroundings, ThinkingWish, resolve
from gateway.writers.openai import FIELDS, Identity, OpenAIWriter

AnyBody = TypeVar("AnyBody", bound=Body)

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


class GenerationRoute(ABC, Generic[AnyBody]):
    """A route that generates: validate, resolve, render, submit, respond.

    One instance serves all requests.
    """

    writer: type[OpenAIWriter]

    def __init__(self, config: Config, lifecycle: EngineLifecycle) -> None:
        self._config = config
        self._lifecycle = lifecycle

    @abstractmethod
    def validate(self, json: bytes) -> AnyBody:
        """The body, typed.

        Raises:
            InvalidRequest: it is not JSON, or a field is wrong; names the field.
        """

    @abstractmethod
    async def render(self, body: AnyBody, wish: ThinkingWish) -> Rendered:
        """What the model will read.

        Raises:
            InvalidRequest: there is no such template.
            CallerError: it does not fit, or the template refuses it.
        """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        config, lifecycle, context = self._config, self._lifecycle, context_of(scope)
        lifecycle.admission.check()
        json = await read_json(scope, receive)
        with lifecycle.admission.slot(context.principal):
            body = self.validate(json)
            context.stream = bool(body.stream)
            wish = resolve_wish(body, scope, config)
            check_token_limit(body, lifecycle.renderer.max_model_len)
            rendered = await self.render(body, wish)
            run = self._run(body, wish, rendered, context.own_id)
            await run.respond(lifecycle.engine, scope, receive, send)

    def _run(
        self, body: AnyBody, wish: ThinkingWish, rendered: Rendered, request_id: str
    ) -> GenerationRun:
        config, options = self._config, body.stream_options or StreamOptions()
        hidden = wish.visibility == "hidden"
        identity = Identity(request_id, int(time.time()), config.model.names[0])
        return GenerationRun(
            request=GenerationRequest(
                request_id,
                rendered.prompts,
                body.sampling(),
                incremental=bool(body.stream or body.stops()),
                written=self._lifecycle.profile.written,
            ),
            state=self._state(body, wish, rendered),
            writer=self.writer(
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
            gather_until=self._lifecycle.profile.closing_token if hidden else None,
        )

    def _state(self, body: AnyBody, wish: ThinkingWish, rendered: Rendered) -> RequestState:
        profile = self._lifecycle.profile
        read_calls = partial(self._lifecycle.renderer.tool_calls, profile.family.tool_parser)
        return RequestState(
            rendered.prompts,
            [
                ChoiceState(
                    profile.reply_parser(prompt, rendered.switch, tools=rendered.tools),
                    body.stops(),
                    wish.visibility,
                    read_calls,
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
