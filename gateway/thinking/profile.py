"""How the loaded model's thinking is recognised and switched, found out by rendering alone.

A chat template's variable is tried first: if the prompt differs between on and off, it is the
switch. Where none does, thinking is kept off by an empty think block behind the prompt (or by
closing the block that the template opened), and a wish that nothing can grant is reported.

Nothing here needs the engine: tokenizer and templates are there before the weights are loaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.protocol import Renderer
from engine.types import ChatInput, MarkToken, Message, Prompt
from gateway.config.settings import ThinkingConfig
from gateway.http.errors import InvalidRequest
from gateway.thinking.wish import ThinkingWish
from parsers.families import FAMILIES, Family, detect
from parsers.reply import ReplyParser

_PROBE = (Message(role="user", content="Hello"),)
_BY_SWITCH = {None: "default", True: "think", False: "nothink"}
"""The configured templates that are used without being asked for by name."""


@dataclass(frozen=True, slots=True)
class TemplateProfile:
    """What was found out about one chat template.

    Attributes:
        variable: switches thinking; None if there is no such variable.
        prefill: what to write behind its prompt to keep thinking off, where nothing else does.
        thinks: it mentions the family's marks, so its model is known to think.
        writes_calls: it tells its model how to call tools, in the family's way.
    """

    variable: str | None
    prefill: str
    thinks: bool
    writes_calls: bool


@dataclass(frozen=True, slots=True)
class ProfileSummary:
    """What `/ready` tells of a profile.

    Attributes:
        format: the family's name.
        switch: what keeps the model from thinking: a variable of the chat template, `prefill`,
            `template` where a configured one is for that alone, or `none`.
        marks: the family's marks, each with its token id; None where it is no single token.
        why: how the family was told, in one sentence.
    """

    format: str
    switch: str
    marks: Mapping[str, int | None]
    why: str


@dataclass(frozen=True, slots=True)
class ThinkingProfile:
    """The model, as far as its thinking goes.

    Attributes:
        family: its marks and its parser.
        why: how the family was told.
        marks: those of its marks that are single tokens.
        written: those that a reply's text needs though they are special tokens, by token id.
        inside_turn: see `ChatInput.inside_turn`.
        closing_token: ends thinking, where a single token does.
        templates: every chat template by name; None is the model's own.
    """

    family: Family
    why: str
    marks: Sequence[MarkToken]
    written: Mapping[int, str]
    inside_turn: frozenset[int]
    closing_token: int | None
    templates: Mapping[str | None, TemplateProfile]

    def summary(self) -> ProfileSummary:
        """What operators are told."""
        name, dedicated = self._template(None, False)
        template = self.templates.get(name)
        switch = "none"
        if template and template.variable:
            switch = template.variable
        elif template and dedicated:
            switch = "template"
        elif template and template.prefill:
            switch = "prefill"
        token_ids = {mark.text: mark.token_id for mark in self.marks}
        marks = {text: token_ids.get(text) for text in self.family.mark_literals}
        return ProfileSummary(self.family.name, switch, marks, self.why)

    def plan(self, chat: ChatInput, wish: ThinkingWish) -> tuple[ChatInput, str]:
        """How to render a conversation so that the model thinks or not, as was wished.

        Args:
            chat: what the request asks for; its `template` is None where it names none.
            wish: what is wished.

        Returns:
            What to render, and a warning of a wish that can't be granted; '' if there is none.

        Raises:
            InvalidRequest: there is no such template, or none at all, or none that offers tools.
        """
        name, dedicated = self._template(chat.template, wish.switch)
        template = self.templates.get(name)
        if template is None:
            message = "This model has no chat template; use /v1/completions."
            raise InvalidRequest(message, "messages")
        if chat.tools and not template.writes_calls:
            message = "This model's way of calling tools is not supported yet."
            raise InvalidRequest(message, "tools")
        variables = dict(chat.variables)
        if wish.effort is not None:
            variables["reasoning_effort"] = wish.effort
        prefill = warning = ""
        if wish.switch is not None and template.variable is not None:
            variables[template.variable] = wish.switch
        elif wish.switch is False and not dedicated:
            prefill = template.prefill
            if self.family.thinks and not prefill:
                warning = "thinking=off: this model has no switch that is known"
        elif wish.switch is True and not dedicated and not template.thinks:
            warning = "thinking=on: this model is not known to think"
        planned = replace(
            chat,
            template=name,
            variables=variables,
            prefill=prefill,
            inside_turn=self.inside_turn,
        )
        return planned, warning

    def reply_parser(self, prompt: Prompt, switch: bool | None, *, tools: bool) -> ReplyParser:
        """A parser for the reply to `prompt`, which knows whether it begins with thinking.

        Args:
            prompt: as rendered.
            switch: as wished; some models begin with thinking and write no mark.
            tools: calls are to be read.
        """
        assumed = self.family.opener == "nobody" and switch is not False
        return self.family.parser(prompt.tail, assumed=assumed, tools=tools)

    def _template(self, asked: str | None, switch: bool | None) -> tuple[str | None, bool]:
        """The template to use, and whether it is dedicated to this position of the switch."""
        if asked is not None:
            if asked not in self.templates:
                names = ", ".join(sorted(name for name in self.templates if name)) or "none"
                raise InvalidRequest(
                    f"chat_template must name a configured template; there is: {names}.",
                    "chat_template",
                )
            return asked, False
        name = _BY_SWITCH[switch]
        if name in self.templates:
            return name, switch is not None
        return ("default" if "default" in self.templates else None), False


async def find_profile(
    renderer: Renderer, config: ThinkingConfig, templates: Sequence[str]
) -> ThinkingProfile:
    """Find out how the model's thinking is recognised and switched.

    Args:
        renderer: the model's.
        config: may name the family.
        templates: names of the configured chat templates.

    Raises:
        CallerError: a template can't be rendered.
    """
    sources = {name: renderer.template_source(name) for name in (None, *templates)}
    family, why = _family(config.format, sources["default" if "default" in sources else None])
    marks = renderer.mark_tokens(family.mark_literals)
    token_ids = {mark.text: mark.token_id for mark in marks}
    inside_turn = frozenset(token_ids[text] for text in family.inside_turn if text in token_ids)
    probe = ChatInput(_PROBE, inside_turn=inside_turn)
    templates_found = {
        name: await _profile_template(renderer, replace(probe, template=name), family, source)
        for name, source in sources.items()
        if source
    }
    return ThinkingProfile(
        family,
        why,
        marks,
        written={mark.token_id: mark.text for mark in marks if mark.special},
        inside_turn=inside_turn,
        closing_token=token_ids.get(family.closing),
        templates=templates_found,
    )


def _family(format_name: str, template: str) -> tuple[Family, str]:
    """The model's family, and how it was told."""
    if format_name != "auto":
        return FAMILIES[format_name], "[thinking] format says so"
    family = detect(template)
    mentioned = [mark for mark in family.mark_literals if mark in template]
    if mentioned:
        return family, f"the chat template mentions {', '.join(mentioned)}"
    missing = "the chat template mentions no marks" if template else "there is no chat template"
    return family, f"{missing}, so {', '.join(family.mark_literals)} are looked for"


async def _profile_template(
    renderer: Renderer, probe: ChatInput, family: Family, source: str
) -> TemplateProfile:
    writes_calls = family.writes_calls(source)
    for variable in family.switches:
        on, off = [
            await renderer.render_chat(replace(probe, variables={variable: value}))
            for value in (True, False)
        ]
        if on.token_ids != off.token_ids:
            return TemplateProfile(variable, "", thinks=True, writes_calls=writes_calls)
    marked = any(mark in source for mark in family.mark_literals)
    thinks = family.opener == "nobody" or marked
    default = await renderer.render_chat(probe)
    if not thinks:
        prefill = ""
    elif family.starts_in_thinking(default.tail, assumed=False):
        prefill = family.end_thinking
    else:
        prefill = family.empty_block
    return TemplateProfile(None, prefill, thinks=thinks, writes_calls=writes_calls)
