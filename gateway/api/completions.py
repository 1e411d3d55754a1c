"""`POST /v1/completions`."""

from gateway.api.bodies import CompletionBody
from gateway.api.generation import GenerationRoute, Rendered
from gateway.api.validation import validate_completion
from gateway.thinking.wish import ThinkingWish
from gateway.writers.completions import CompletionWriter

_WARNING = "thinking: a raw prompt is not rendered, so nothing switches it"


class Completions(GenerationRoute[CompletionBody]):
    """Raw prompts, several at once."""

    writer = CompletionWriter

    def validate(self, json: bytes) -> CompletionBody:
        return validate_completion(json, self._config.limits)

    async def render(self, body: CompletionBody, wish: ThinkingWish) -> Rendered:
        renderer, inside_turn = self._lifecycle.renderer, self._lifecycle.profile.inside_turn
        prompts = [await renderer.render_text(prompt, inside_turn) for prompt in body.prompts()]
        return Rendered(prompts, "" if wish.switch is None else _WARNING)
