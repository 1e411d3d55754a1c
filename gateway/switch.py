"""How the loaded model's thinking is recognised and switched, found out once by rendering.

A chat template's variable is tried first: if the prompt differs between on and off, it is the
switch. Where none does, thinking is kept off by an empty think block behind the prompt (or by
closing the block that the template opened), and a wish that nothing can grant is reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.types import ChatInput, Engine, Message, Prompt
from gateway.config.settings import Config
from gateway.http.errors import InvalidRequest
from gateway.reasoning import Reasoning
from gateway.schema import ChatBody
from parsers.formats import FORMATS, ThinkingFormat, detect, starts_inside
from parsers.tools import calls_tools

_PROBE = (Message(role="user", content="Hello"),)
_BY_SWITCH = {None: "default", True: "think", False: "nothink"}
"""The configured templates that are used without being asked for by name."""


@dataclass(frozen=True, slots=True)
class TemplateProbe:
    """What was found out about one template.

    Attributes:
        variable: switches thinking; None if there is no such variable.
        prefill: what to write behind its prompt to keep thinking off, where nothing else does.
        thinks: it mentions the family's tags, so its model is known to think.
        calls_tools: it tells its model how to call tools, in a way that is known.
    """

    variable: str | None
    prefill: str
    thinks: bool
    calls_tools: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How to render one request.

    Attributes:
        chat: what to render.
        warning: a wish that can't be granted; '' if there is none.
    """

    chat: ChatInput
    warning: str


class ThinkingModel:
    """The loaded model, as far as its thinking goes.

    Attributes:
        family: its marks.
        special_tags: its tags are special tokens, so special tokens have to be written out.
    """

    def __init__(
        self,
        family: ThinkingFormat,
        *,
        special_tags: bool,
        probes: Mapping[str | None, TemplateProbe],
    ) -> None:
        self.family = family
        self.special_tags = special_tags
        self._probes = probes

    def plan(self, body: ChatBody, reasoning: Reasoning) -> Plan:
        """How to render `body` so that the model thinks or not, as was wished.

        Raises:
            InvalidRequest: it asks for a template that is not configured, or there is none at all.
        """
        switch = reasoning.switch
        name, dedicated = self._template(body.chat_template, switch)
        probe = self._probes.get(name)
        if probe is None:
            raise InvalidRequest(
                "This model has no chat template; use /v1/completions.", "messages"
            )
        tools = body.offered()
        if tools and not probe.calls_tools:
            raise InvalidRequest("This model's way of calling tools is not supported yet.", "tools")
        variables = dict(body.chat_template_kwargs or {})
        if reasoning.effort is not None:
            variables["reasoning_effort"] = reasoning.effort
        prefill = warning = ""
        if switch is not None and probe.variable is not None:
            variables[probe.variable] = switch
        elif switch is False and not dedicated:
            prefill = probe.prefill
            if self.family.open and not prefill:
                warning = "thinking=off: this model has no switch that is known"
        elif switch is True and not dedicated and not probe.thinks:
            warning = "thinking=on: this model is not known to think"
        return Plan(ChatInput(body.messages, name, variables, prefill, tools), warning)

    def inside(self, prompt: Prompt, switch: bool | None) -> bool:
        """Whether the reply to `prompt` begins with thinking: some models begin without a tag."""
        assumed = self.family.starts_inside and switch is not False
        return starts_inside(prompt.tail, self.family, assumed=assumed)

    @property
    def templates(self) -> tuple[str | None, ...]:
        """Every template by name; None is the model's own."""
        return tuple(self._probes)

    def _template(self, asked: str | None, switch: bool | None) -> tuple[str | None, bool]:
        """The template to use, and whether it is dedicated to this position of the switch."""
        if asked is not None:
            if asked not in self._probes:
                names = ", ".join(sorted(name for name in self._probes if name)) or "none"
                raise InvalidRequest(
                    f"chat_template must name a configured template; there is: {names}.",
                    "chat_template",
                )
            return asked, False
        name = _BY_SWITCH[switch]
        if name in self._probes:
            return name, switch is not None
        return ("default" if "default" in self._probes else None), False


async def probe(engine: Engine, config: Config) -> ThinkingModel:
    """Find out how the loaded model's thinking is recognised and switched."""
    names = [None, *config.templates]
    sources = {name: engine.template_source(name) for name in names}
    if config.thinking.format == "auto":
        family = detect(sources["default" if "default" in sources else None])
    else:
        family = FORMATS[config.thinking.format]
    return ThinkingModel(
        family,
        special_tags=any(engine.is_special(tag) for tag in family.tags),
        probes={
            name: await _probe_template(engine, name, family, source)
            for name, source in sources.items()
            if source
        },
    )


async def _probe_template(
    engine: Engine, name: str | None, family: ThinkingFormat, source: str
) -> TemplateProbe:
    for variable in family.switches:
        on, off = [
            await engine.render_chat(ChatInput(_PROBE, name, {variable: value}))
            for value in (True, False)
        ]
        if on.token_ids != off.token_ids:
            return TemplateProbe(variable, "", thinks=True, calls_tools=calls_tools(source))
    thinks = family.starts_inside or any(tag in source for tag in family.tags)
    default = await engine.render_chat(ChatInput(_PROBE, name))
    if not thinks:
        prefill = ""
    elif starts_inside(default.tail, family, assumed=False):
        prefill = f"\n{family.close}\n\n"
    else:
        prefill = family.empty_block
    return TemplateProbe(None, prefill, thinks=thinks, calls_tools=calls_tools(source))
