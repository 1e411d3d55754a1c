"""`POST /v1/chat/completions`."""

from starlette.types import Receive, Scope, Send

from gateway.config.settings import Config
from gateway.decode import decode_chat
from gateway.http.body import read_json
from gateway.http.context import context_of
from gateway.life import Life
from gateway.prepare import Prepared, check_limit, prepare_delivery, resolve_reasoning
from gateway.wire import ChatDialect


class ChatCompletions:
    """The route; one instance serves all requests."""

    def __init__(self, config: Config, life: Life) -> None:
        self._config = config
        self._life = life

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with self._life.admission.slot():
            body = decode_chat(await read_json(scope, receive), self._config.limits)
            context = context_of(scope)
            context.stream = bool(body.stream)
            engine, model = self._life.engine, self._life.model
            reasoning = resolve_reasoning(body, scope, self._config)
            check_limit(body, engine)
            plan = model.plan(body, reasoning)
            prompt = await engine.render_chat(plan.chat)
            inside = model.inside(prompt, reasoning.switch)
            prompts, tools = [(prompt, inside)], bool(plan.chat.tools)
            prepared = Prepared(body, reasoning, plan.warning, prompts, calls_tools=tools)
            delivery = prepare_delivery(prepared, ChatDialect, self._config, self._life, context)
            await delivery.run(engine, scope, receive, send)
