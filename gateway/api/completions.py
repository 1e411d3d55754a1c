"""`POST /v1/completions`."""

from starlette.types import Receive, Scope, Send

from gateway.api.generation import Rendered, check_token_limit, make_run, resolve_wish
from gateway.api.validation import validate_completion
from gateway.config.settings import Config
from gateway.http.body import read_json
from gateway.http.context import context_of
from gateway.serving.lifecycle import EngineLifecycle
from gateway.writers.completions import CompletionWriter

_WARNING = "thinking: a raw prompt is not rendered, so nothing switches it"


class Completions:
    """The route; one instance serves all requests."""

    def __init__(self, config: Config, lifecycle: EngineLifecycle) -> None:
        self._config = config
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        config, lifecycle, context = self._config, self._lifecycle, context_of(scope)
        lifecycle.admission.check()
        json = await read_json(scope, receive)
        with lifecycle.admission.slot(context.principal):
            body = validate_completion(json, config.limits)
            context.stream = bool(body.stream)
            wish = resolve_wish(body, scope, config)
            check_token_limit(body, lifecycle.renderer.max_model_len)
            inside_turn = lifecycle.profile.inside_turn
            prompts = [
                await lifecycle.renderer.render_text(prompt, inside_turn)
                for prompt in body.prompts()
            ]
            rendered = Rendered(prompts, "" if wish.switch is None else _WARNING)
            run = make_run(body, wish, rendered, CompletionWriter, lifecycle, config, scope)
            await run.respond(lifecycle.engine, scope, receive, send)
