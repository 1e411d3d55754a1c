"""`POST /v1/completions`."""

from starlette.types import Receive, Scope, Send

from gateway.config.settings import Config
from gateway.decode import decode_completion
from gateway.http.body import read_json
from gateway.http.context import context_of
from gateway.life import Life
from gateway.prepare import Prepared, check_limit, prepare_delivery, resolve_reasoning
from gateway.wire import CompletionDialect

_WARNING = "thinking: a raw prompt is not rendered, so nothing switches it"


class Completions:
    """The route; one instance serves all requests."""

    def __init__(self, config: Config, life: Life) -> None:
        self._config = config
        self._life = life

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with self._life.admission.slot():
            body = decode_completion(await read_json(scope, receive), self._config.limits)
            context = context_of(scope)
            context.stream = bool(body.stream)
            engine, model = self._life.engine, self._life.model
            reasoning = resolve_reasoning(body, scope, self._config)
            check_limit(body, engine)
            prompts = [await engine.render_text(prompt) for prompt in body.prompts()]
            prepared = Prepared(
                body,
                reasoning,
                "" if reasoning.switch is None else _WARNING,
                [(prompt, model.inside(prompt, None)) for prompt in prompts],
            )
            delivery = prepare_delivery(
                prepared, CompletionDialect, self._config, self._life, context
            )
            await delivery.run(engine, scope, receive, send)
