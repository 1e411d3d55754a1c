"""`POST /v1/chat/completions`."""

from starlette.types import Receive, Scope, Send

from engine.types import ChatInput
from gateway.api.generation import Rendered, check_token_limit, make_run, resolve_wish
from gateway.api.validation import validate_chat
from gateway.config.settings import Config
from gateway.http.body import read_json
from gateway.http.context import context_of
from gateway.serving.lifecycle import EngineLifecycle
from gateway.writers.chat import ChatWriter


class ChatCompletions:
    """The route; one instance serves all requests."""

    def __init__(self, config: Config, lifecycle: EngineLifecycle) -> None:
        self._config = config
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        config, lifecycle, context = self._config, self._lifecycle, context_of(scope)
        lifecycle.admission.check()
        json = await read_json(scope, receive)
        with lifecycle.admission.slot(context.principal):
            body = validate_chat(json, config.limits)
            context.stream = bool(body.stream)
            wish = resolve_wish(body, scope, config)
            check_token_limit(body, lifecycle.renderer.max_model_len)
            asked = ChatInput(
                messages=body.messages,
                template=body.chat_template,
                variables=body.chat_template_kwargs or {},
                tools=body.offered(),
            )
            chat, warning = lifecycle.profile.plan(asked, wish)
            prompt = await lifecycle.renderer.render_chat(chat)
            rendered = Rendered([prompt], warning, wish.switch, tools=bool(chat.tools))
            run = make_run(body, wish, rendered, ChatWriter, lifecycle, config, scope)
            await run.respond(lifecycle.engine, scope, receive, send)
