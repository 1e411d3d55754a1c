"""`gateway.thinking.profile`: how thinking is found out, and what is done to switch it."""

from dataclasses import dataclass, field

import msgspec
import pytest
from parsers.formats import FORMATS

from engine.types import ChatInput, Prompt
from gateway.api.bodies import ChatBody
from gateway.http.errors import InvalidRequest
from gateway.thinking.profile import probe
from gateway.thinking.wish import Reasoning

pytestmark = pytest.mark.anyio

SWITCHES = (None, True, False)
EMPTY = "<think>\n\n</think>\n\n"


@dataclass
class Renderer:
    """An engine that renders templates of its own kind.

    A template's source is its prompt's tail; `{name}` in it is replaced by that variable's value.
    """

    own: str
    templates: dict[str, str] = field(default_factory=dict)
    special: bool = False

    def template_source(self, name):
        """The source of a template."""
        return self.templates[name] if name else self.own

    def is_special(self, token):
        """Whether tags are special tokens."""
        return self.special

    async def render_chat(self, chat: ChatInput) -> Prompt:
        """Render a conversation to its last words."""
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
def load(tmp_path, make_config):
    """Probe an engine whose configuration has its templates and these settings."""

    async def probed(renderer, *sets):
        for name in renderer.templates:
            path = tmp_path / f"{name}.jinja"
            path.write_text("")
            sets = (*sets, f"templates.{name}={path}")
        return await probe(renderer, make_config(*sets))

    return probed


def plan(model, switch, *, effort=None, **fields):
    """How `model` renders a request that wants `switch`."""
    body = msgspec.convert({"messages": [{"role": "user", "content": "?"}], **fields}, ChatBody)
    return model.plan(body, Reasoning("parsed", switch, effort))


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
async def test_the_family_is_found_or_told(load, source, setting, family):
    """`[thinking] format` says which tags to look for; `auto` reads it off the template."""
    model = await load(Renderer(source), f"thinking.format={setting}")

    assert model.family is FORMATS[family]


async def test_the_default_template_tells_the_family(load):
    """A configured template that replaces the model's own is the one that is looked at."""
    assert (await load(Renderer(PLAIN, {"default": PIPES}))).family is FORMATS["thinking"]
    assert (await load(Renderer(PIPES, {"other": KEYWORD}))).family is FORMATS["thinking"]


@pytest.mark.parametrize("special", [True, False])
async def test_special_tags_are_written_out(load, special):
    """Where the tags are special tokens, special tokens are asked for; else they are not."""
    assert (await load(Renderer(KEYWORD, special=special))).special_tags is special
    none = await load(Renderer(KEYWORD, special=special), "thinking.format=none")
    assert none.special_tags is False


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
async def test_how_thinking_is_switched(load, source, format, switch, variables, prefill, warning):
    """By the template's variable; else by an empty or a closed block; else there is a warning."""
    model = await load(Renderer(source), f"thinking.format={format}")

    made = plan(model, switch)

    assert (dict(made.chat.variables), made.chat.prefill) == (variables, prefill)
    assert made.warning.partition(":")[0] == warning
    left_alone = plan(model, None)
    assert (dict(left_alone.chat.variables), left_alone.chat.prefill) == ({}, "")
    assert left_alone.warning == ""


@pytest.mark.parametrize("source", [TAGS, PREFILLED, PIPES])
async def test_off_is_off(load, source):
    """The reply to a prompt with thinking switched off does not begin inside a block."""
    renderer = Renderer(source)
    model = await load(renderer)

    prompt = await renderer.render_chat(plan(model, False).chat)

    assert not model.inside(prompt, False)


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
async def test_where_a_reply_begins(load, source, format, inside):
    """Inside a block that the prompt opened, or where the family always begins so."""
    renderer = Renderer(source)
    model = await load(renderer, f"thinking.format={format}")
    prompt = await renderer.render_chat(ChatInput([]))

    assert tuple(model.inside(prompt, switch) for switch in SWITCHES) == inside


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
async def test_templates_with_a_meaning(load, templates, chosen):
    """`default` replaces the model's own; `think` and `nothink` are for their switch alone."""
    model = await load(Renderer(TAGS, dict.fromkeys(templates, TAGS)))

    assert tuple(plan(model, switch).chat.template for switch in SWITCHES) == chosen
    assert set(model.templates) == {None, *templates}


@pytest.mark.parametrize("source", [TAGS, PLAIN, PREFILLED])
async def test_a_dedicated_template_needs_no_help(load, source):
    """`think` and `nothink` are taken at their word: no prefill and no warning."""
    model = await load(Renderer(PLAIN, {"think": source, "nothink": source}))

    for switch in (True, False):
        made = plan(model, switch)
        assert (made.chat.prefill, made.warning, dict(made.chat.variables)) == ("", "", {})


async def test_a_dedicated_template_may_have_a_variable(load):
    """If so it is set."""
    model = await load(Renderer(PLAIN, {"nothink": KEYWORD}))

    assert dict(plan(model, False).chat.variables) == {"enable_thinking": False}


@pytest.mark.parametrize("name", ["other", "nothink", "default"])
@pytest.mark.parametrize("switch", SWITCHES)
async def test_a_template_by_name(load, name, switch):
    """A request can pick any configured template, and is switched as that template is."""
    model = await load(Renderer(PLAIN, {name: TAGS, "think": PLAIN}))

    made = plan(model, switch, chat_template=name)

    assert made.chat.template == name
    assert made.chat.prefill == (EMPTY if switch is False else "")


@pytest.mark.parametrize("name", ["unknown", "", "{{ messages }}"])
@pytest.mark.parametrize("templates", [{}, {"b": TAGS, "a": TAGS}])
async def test_an_unknown_template(load, name, templates):
    """No request brings its own template; the error has the names that there are."""
    model = await load(Renderer(KEYWORD, templates))

    with pytest.raises(InvalidRequest) as caught:
        plan(model, None, chat_template=name)
    assert caught.value.param == "chat_template"
    assert caught.value.message.endswith("there is: a, b." if templates else "there is: none.")


@pytest.mark.parametrize("switch", SWITCHES)
async def test_no_template_at_all(load, switch):
    """A base model can't chat, and says where to go."""
    model = await load(Renderer(""))

    with pytest.raises(InvalidRequest, match="/v1/completions") as caught:
        plan(model, switch)
    assert caught.value.param == "messages"
    assert model.templates == ()


async def test_a_request_has_its_own_variables(load):
    """They reach the template, with the effort; the switch that was resolved wins."""
    model = await load(Renderer(KEYWORD))
    asked = {"enable_thinking": True, "reasoning_effort": "x", "date": "today"}

    variables = plan(model, False, effort="low", chat_template_kwargs=asked).chat.variables

    assert variables == {"enable_thinking": False, "reasoning_effort": "low", "date": "today"}
    assert asked["enable_thinking"] is True
