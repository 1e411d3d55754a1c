"""`gateway.thinking.profile`: how thinking is found out, and what is done to switch it."""

from dataclasses import dataclass, field

import pytest

from engine.types import ChatInput, FunctionDefinition, MarkToken, Message, Prompt, Tool
from gateway.http.errors import InvalidRequest
from gateway.thinking.profile import find_profile
from gateway.thinking.wish import ThinkingWish
from parsers.families import FAMILIES

pytestmark = pytest.mark.anyio

SWITCHES = (None, True, False)
EMPTY = "<think>\n\n</think>\n\n"


@dataclass
class Renderer:
    """A model's text, whose templates are of their own kind.

    A template's source is its prompt's tail; `{name}` in it is replaced by that variable's value.
    """

    own: str
    templates: dict[str, str] = field(default_factory=dict)
    marks: tuple[MarkToken, ...] = ()
    asked: list[ChatInput] = field(default_factory=list)

    def template_source(self, name):
        return self.templates[name] if name else self.own

    def mark_tokens(self, texts):
        return [mark for mark in self.marks if mark.text in texts]

    async def render_chat(self, chat: ChatInput) -> Prompt:
        """Render a conversation to its last words."""
        self.asked.append(chat)
        tail = self.template_source(chat.template)
        for name in ("enable_thinking", "thinking"):
            tail = tail.replace(f"{{{name}}}", str(chat.variables.get(name)))
        tail += chat.prefill
        return Prompt(list(map(ord, tail)), tail)


KEYWORD = "thinks in <think></think>: {enable_thinking}"
OTHER_KEYWORD = "thinks in <think></think>: {thinking}"
TAGS = "strips <think></think>"
PREFILLED = "assistant: <think>\n"
PIPES = "strips <|thinking|><|/thinking|>"
PLAIN = "nothing about thinking"


@pytest.fixture
def profile_of(make_config):
    """Find out about a model whose configuration has these settings."""

    async def found(renderer, *sets):
        config = make_config(*sets)
        return await find_profile(renderer, config.thinking, tuple(renderer.templates))

    return found


def plan(profile, switch, *, effort=None, **asked):
    """How a request is rendered that wants `switch`, and the warning."""
    chat = ChatInput([Message(role="user", content="?")], **asked)
    return profile.plan(chat, ThinkingWish("parsed", switch, effort))


@pytest.mark.parametrize(
    ("source", "setting", "family"),
    [
        (KEYWORD, "auto", "think"),
        (PREFILLED, "auto", "think"),
        (PIPES, "auto", "thinking"),
        (PLAIN, "auto", "think"),
        ("", "auto", "think"),
        (PIPES, "think", "think"),
        (KEYWORD, "none", "none"),
        (KEYWORD, "deepseek_r1", "deepseek_r1"),
    ],
)
async def test_the_family_is_found_or_told(profile_of, source, setting, family):
    """`[thinking] format` says which tags to look for; `auto` reads it off the template."""
    model = await profile_of(Renderer(source), f"thinking.format={setting}")

    assert model.family is FAMILIES[family]


async def test_the_default_template_tells_the_family(profile_of):
    """A configured template that replaces the model's own is the one that is looked at."""
    assert (await profile_of(Renderer(PLAIN, {"default": PIPES}))).family is FAMILIES["thinking"]
    assert (await profile_of(Renderer(PIPES, {"other": KEYWORD}))).family is FAMILIES["thinking"]


async def test_marks_that_are_special_are_written(profile_of):
    """Special tokens are no text, but for the family's marks; others write themselves."""
    marks = (MarkToken("<think>", 7, True), MarkToken("</think>", 8, False))
    profile = await profile_of(Renderer(KEYWORD, marks=marks))
    assert profile.written == {7: "<think>"}
    none = await profile_of(Renderer(KEYWORD, marks=marks), "thinking.format=none")
    assert none.written == {}


async def test_marks_inside_a_turn_do_not_begin_one(profile_of):
    """The renderer is told of them, whoever asks it: while finding out, and for every request."""
    marks = (MarkToken("<think>", 7, True), MarkToken("</think>", 8, True))
    renderer = Renderer(TAGS, marks=marks)
    profile = await profile_of(renderer)
    assert profile.inside_turn == {7, 8}
    assert {chat.inside_turn for chat in renderer.asked} == {profile.inside_turn}
    assert plan(profile, None)[0].inside_turn == profile.inside_turn


@pytest.mark.parametrize(
    ("source", "format", "switch", "variables", "prefill", "warning"),
    [
        (KEYWORD, "auto", True, {"enable_thinking": True}, "", ""),
        (KEYWORD, "auto", False, {"enable_thinking": False}, "", ""),
        (OTHER_KEYWORD, "auto", True, {"thinking": True}, "", ""),
        (OTHER_KEYWORD, "auto", False, {"thinking": False}, "", ""),
        (KEYWORD + OTHER_KEYWORD, "auto", False, {"enable_thinking": False}, "", ""),
        (TAGS, "auto", True, {}, "", ""),
        (TAGS, "auto", False, {}, EMPTY, ""),
        (PIPES, "auto", False, {}, "<|thinking|>\n\n<|/thinking|>\n\n", ""),
        (PREFILLED, "auto", True, {}, "", ""),
        (PREFILLED, "auto", False, {}, "\n</think>\n\n", ""),
        (PLAIN, "deepseek_r1", True, {}, "", ""),
        (PLAIN, "deepseek_r1", False, {}, EMPTY, ""),
        (PREFILLED, "deepseek_r1", False, {}, "\n</think>\n\n", ""),
        (PLAIN, "auto", True, {}, "", "thinking=on"),
        (PLAIN, "auto", False, {}, "", "thinking=off"),
        (KEYWORD, "none", True, {}, "", "thinking=on"),
        (KEYWORD, "none", False, {}, "", ""),
    ],
)
async def test_how_thinking_is_switched(
    profile_of, source, format, switch, variables, prefill, warning
):
    """By the template's variable; else by an empty or a closed block; else there is a warning."""
    model = await profile_of(Renderer(source), f"thinking.format={format}")

    chat, told = plan(model, switch)

    assert (dict(chat.variables), chat.prefill) == (variables, prefill)
    assert told.partition(":")[0] == warning
    chat, told = plan(model, None)
    assert (dict(chat.variables), chat.prefill, told) == ({}, "", "")


@pytest.mark.parametrize("source", [TAGS, PREFILLED, PIPES])
async def test_off_is_off(profile_of, source):
    """The reply to a prompt with thinking switched off does not begin inside a block."""
    renderer = Renderer(source)
    model = await profile_of(renderer)

    prompt = await renderer.render_chat(plan(model, False)[0])

    assert not model.reply_parser(prompt, False, tools=False).thinking


@pytest.mark.parametrize(
    ("source", "format", "inside"),
    [
        (PREFILLED, "auto", (True, True, True)),
        (TAGS, "auto", (False, False, False)),
        (PLAIN, "auto", (False, False, False)),
        (PLAIN, "deepseek_r1", (True, True, False)),
        (PREFILLED, "none", (False, False, False)),
    ],
)
async def test_where_a_reply_begins(profile_of, source, format, inside):
    """Inside a block that the prompt opened, or where the family always begins so."""
    renderer = Renderer(source)
    model = await profile_of(renderer, f"thinking.format={format}")
    prompt = await renderer.render_chat(ChatInput([]))

    parsers = [model.reply_parser(prompt, switch, tools=False) for switch in SWITCHES]
    assert tuple(parser.thinking for parser in parsers) == inside


@pytest.mark.parametrize(
    ("templates", "chosen"),
    [
        ((), (None, None, None)),
        (("default",), ("default",) * 3),
        (("nothink",), (None, None, "nothink")),
        (("think",), (None, "think", None)),
        (("default", "think", "nothink"), ("default", "think", "nothink")),
        (("other",), (None, None, None)),
    ],
)
async def test_templates_with_a_meaning(profile_of, templates, chosen):
    """`default` replaces the model's own; `think` and `nothink` are for their switch alone."""
    model = await profile_of(Renderer(TAGS, dict.fromkeys(templates, TAGS)))

    assert tuple(plan(model, switch)[0].template for switch in SWITCHES) == chosen
    assert set(model.templates) == {None, *templates}


@pytest.mark.parametrize("source", [TAGS, PLAIN, PREFILLED])
async def test_a_dedicated_template_needs_no_help(profile_of, source):
    """`think` and `nothink` are taken at their word: no prefill and no warning."""
    model = await profile_of(Renderer(PLAIN, {"think": source, "nothink": source}))

    for switch in (True, False):
        chat, warning = plan(model, switch)
        assert (chat.prefill, warning, dict(chat.variables)) == ("", "", {})


async def test_a_dedicated_template_may_have_a_variable(profile_of):
    """If so it is set."""
    model = await profile_of(Renderer(PLAIN, {"nothink": KEYWORD}))

    assert dict(plan(model, False)[0].variables) == {"enable_thinking": False}


@pytest.mark.parametrize("name", ["other", "nothink", "default"])
@pytest.mark.parametrize("switch", SWITCHES)
async def test_a_template_by_name(profile_of, name, switch):
    """A request can pick any configured template, and is switched as that template is."""
    model = await profile_of(Renderer(PLAIN, {name: TAGS, "think": PLAIN}))

    chat, _ = plan(model, switch, template=name)

    assert chat.template == name
    assert chat.prefill == (EMPTY if switch is False else "")


@pytest.mark.parametrize("name", ["unknown", "", "{{ messages }}"])
@pytest.mark.parametrize("templates", [{}, {"b": TAGS, "a": TAGS}])
async def test_an_unknown_template(profile_of, name, templates):
    """No request brings its own template; the error has the names that there are."""
    model = await profile_of(Renderer(KEYWORD, templates))

    with pytest.raises(InvalidRequest) as caught:
        plan(model, None, template=name)
    assert caught.value.param == "chat_template"
    assert caught.value.message.endswith("there is: a, b." if templates else "there is: none.")


@pytest.mark.parametrize("switch", SWITCHES)
async def test_no_template_at_all(profile_of, switch):
    """A base model can't chat, and says where to go."""
    model = await profile_of(Renderer(""))

    with pytest.raises(InvalidRequest, match="/v1/completions") as caught:
        plan(model, switch)
    assert caught.value.param == "messages"
    assert not model.templates


async def test_a_request_has_its_own_variables(profile_of):
    """They reach the template, with the effort; the switch that was resolved wins."""
    model = await profile_of(Renderer(KEYWORD))
    asked = {"enable_thinking": True, "reasoning_effort": "x", "date": "today"}

    variables = plan(model, False, effort="low", variables=asked)[0].variables

    assert variables == {"enable_thinking": False, "reasoning_effort": "low", "date": "today"}
    assert asked["enable_thinking"] is True


HERMES = "<tool_call> {arguments}"
HARMONY = "<|channel|><|message|> functions."


@pytest.mark.parametrize(
    ("source", "family"), [(HERMES, "think"), (HARMONY, "gpt_oss"), ("<|channel|>", "gpt_oss")]
)
async def test_who_can_call(profile_of, source, family):
    """Tools are offered where the template tells its model how to call, and refused elsewhere."""
    profile = await profile_of(Renderer(source), f"thinking.format={family}")
    tool = Tool(FunctionDefinition("look"))

    if source == "<|channel|>":
        with pytest.raises(InvalidRequest) as caught:
            plan(profile, None, tools=[tool])
        assert caught.value.param == "tools"
    else:
        assert plan(profile, None, tools=[tool])[0].tools == [tool]
    assert plan(profile, None)[0].tools == ()
