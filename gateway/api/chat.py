"""`POST /v1/chat/completions`."""

from engine.types import ChatInput
from gateway.api.bodies import ChatBody
from gateway.api.generation import GenerationRoute, Rendered
from gateway.api.validation import validate_chat
from gateway.thinking.wish import ThinkingWish
from gateway.writers.chat import ChatWriter


class ChatCompletions(GenerationRoute[ChatBody]):
    """Conversations, rendered by the model's chat template."""

    writer = ChatWriter

    def validate(self, json: bytes) -> ChatBody:
        return validate_chat(json, self._config.limits)

    async def render(self, body: ChatBody, wish: ThinkingWish) -> Rendered:
        asked = ChatInput(
            messages=body.messages,
            template=body.chat_template,
            variables=body.chat_template_kwargs or {},
            tools=body.offered(),
        )
        chat, warning = self._lifecycle.profile.plan(asked, wish)
        prompt = await self._lifecycle.renderer.render_chat(chat)
        return Rendered([prompt], warning, wish.switch, tools=bool(chat.tools))
