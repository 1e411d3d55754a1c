"""`parsers.families`: how a model marks its thinking, and whether its reply begins with it."""

import pytest

from parsers.events import Answer, Thinking
from parsers.families import FAMILIES, Family, detect

THINK, PIPES, CHANNELS = FAMILIES["think"], FAMILIES["thinking"], FAMILIES["gpt_oss"]
GENERATION = "<|start|>assistant"


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_families_are_sound(family: Family) -> None:
    """A family that thinks has marks; its empty block, and what ends thinking, let it answer."""
    assert FAMILIES[family.name] is family
    assert family.thinks == bool(family.mark_literals) == bool(family.empty_block)
    assert all(family.mark_literals)
    assert bool(family.tool_mark) == bool(family.tool_parser)
    for tail in (family.empty_block, f"{family.empty_block}{family.end_thinking}"):
        assert not family.starts_in_thinking(tail, assumed=False)
        assert family.parser(tail).feed("42") == [Answer("42", 0, 2)]


@pytest.mark.parametrize(
    ("family", "opened"),
    [
        pytest.param(THINK, "<think>\n", id="think"),
        pytest.param(PIPES, "<|thinking|>", id="thinking"),
        pytest.param(CHANNELS, f"{GENERATION}<|channel|>analysis<|message|>", id="gpt_oss"),
    ],
)
def test_thinking_can_be_ended(family: Family, opened: str) -> None:
    """What ends thinking closes the block that the prompt opened."""
    assert family.parser(opened).feed("42") == [Thinking("42", 0, 2)]
    assert family.parser(opened + family.end_thinking).feed("42") == [Answer("42", 0, 2)]


def test_empty_block_of_channels() -> None:
    """gpt-oss's block goes on where its template stops."""
    assert not CHANNELS.starts_in_thinking(GENERATION + CHANNELS.empty_block, assumed=True)


def test_who_begins_without_a_mark() -> None:
    """DeepSeek-R1 alone begins with thinking though nobody says so."""
    assert [row.name for row in FAMILIES.values() if row.opener == "nobody"] == ["deepseek_r1"]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_every_family_has_its_parser(family: Family) -> None:
    """A reply is parsed without asking which family it is of."""
    parser = family.parser("", tools=True)
    assert parser.feed("Hi <") == [Answer("Hi ", 0, 3)]
    assert (parser.position, parser.thinking) == (3, False)
    assert parser.finish() == [Answer("<", 3, 4)]


@pytest.mark.parametrize(
    ("family", "template", "known"),
    [
        pytest.param("think", "", False, id="nothing"),
        pytest.param("think", "{{ messages }}", False, id="no tools"),
        pytest.param("think", "<tool_call>", False, id="mark alone"),
        pytest.param("think", "{{ tools }}<tool_call>{name, arguments}", True, id="hermes"),
        pytest.param("none", "{{ tools }}<tool_call>{name, arguments}", True, id="no thinking"),
        pytest.param("gpt_oss", "<tool_call>{name, arguments}", False, id="another's"),
        pytest.param("gpt_oss", "<|channel|>commentary", False, id="channels without functions"),
        pytest.param("gpt_oss", "to=functions.{{ name }}<|channel|>", True, id="channels"),
    ],
)
def test_templates_that_write_calls(family: str, template: str, known: bool) -> None:
    """A template is known by what it tells its model to write."""
    assert FAMILIES[family].writes_calls(template) is known


@pytest.mark.parametrize(
    ("template", "name"),
    [
        pytest.param("", "think", id="nothing"),
        pytest.param("{{ messages[0].content }}", "think", id="no tags"),
        pytest.param("{{ '<think>\\n' }}", "think", id="opener"),
        pytest.param("{{ content.split('</think>')[-1] }}", "think", id="closer alone"),
        pytest.param("{{ '<|thinking|>' }}", "thinking", id="pipes"),
        pytest.param("{{ content.split('<|/thinking|>')[-1] }}", "thinking", id="pipes closer"),
        pytest.param("{{ '<|thinking|>' }}{{ '<think>' }}", "think", id="both"),
        pytest.param("{{ '<thinking>' }}{{ '<|think|>' }}", "think", id="look-alikes"),
        pytest.param(
            "{{ '<|start|>assistant<|channel|>final<|message|>' }}", "gpt_oss", id="channels"
        ),
        pytest.param("{{ '<|assistant|>' }}{{ '<|end|>' }}", "think", id="Phi"),
        pytest.param("{{ '<|channel>thought' }}{{ '<channel|>' }}", "think", id="Gemma"),
    ],
)
def test_detect(template: str, name: str) -> None:
    """The marks in a chat template tell the family; without any it is `think`."""
    assert detect(template).name == name


@pytest.mark.parametrize("assumed", [False, True], ids=["assumed outside", "assumed inside"])
@pytest.mark.parametrize(
    ("tail", "inside"),
    [
        pytest.param("<|im_start|>assistant\n<think>\n", True, id="opened"),
        pytest.param("<think>", True, id="opened, no newline"),
        pytest.param("<think>\n\n</think>\n\n", False, id="empty block"),
        pytest.param("assistant\n</think>", False, id="lone closer"),
        pytest.param("<think>a</think>b<think>", True, id="opened again"),
        pytest.param("Is `</think>` a tag?\nassistant: <think>\n", True, id="closer quoted before"),
        pytest.param(
            "Is `<think>` a tag?\n<think>\n\n</think>\n\n", False, id="opener quoted before"
        ),
        pytest.param("`<think>` `</think>` `<think>`\n</think>", False, id="both quoted before"),
        pytest.param("<think>\nFirst, I", True, id="thinking prefilled"),
        pytest.param("<think>\nFirst.\n</think>\n\nIt is", False, id="answer prefilled"),
    ],
)
def test_starts_in_thinking(tail: str, inside: bool, assumed: bool) -> None:
    """The last tag of the prompt's tail decides, whatever was assumed."""
    assert THINK.starts_in_thinking(tail, assumed=assumed) is inside


@pytest.mark.parametrize("assumed", [False, True], ids=["assumed outside", "assumed inside"])
@pytest.mark.parametrize(
    "tail",
    ["", "<|im_start|>assistant\n", "<thinking>", "<think", "</think", "<|thinking|>"],
)
def test_tail_without_tag(tail: str, assumed: bool) -> None:
    """Where the tail has no tag of the family, the assumption holds."""
    assert THINK.starts_in_thinking(tail, assumed=assumed) is assumed


def test_tail_of_another_family() -> None:
    """Every family reads its own tags alone."""
    assert PIPES.starts_in_thinking("<|thinking|>\n</think>", assumed=False)
    assert not PIPES.starts_in_thinking("<|thinking|>\n<|/thinking|>\n<think>", assumed=True)


@pytest.mark.parametrize(
    ("tail", "inside"),
    [
        pytest.param(GENERATION, False, id="nothing yet"),
        pytest.param(f"{GENERATION}<|channel|>analysis", False, id="header not over"),
        pytest.param(f"{GENERATION}<|channel|>analysis<|message|>", True, id="opened"),
        pytest.param(f"{GENERATION}<|channel|>analysis<|message|>First, I", True, id="prefilled"),
        pytest.param(f"{GENERATION}<|channel|>analysis<|message|>a<|end|>", False, id="closed"),
        pytest.param(f"{GENERATION}<|channel|>final<|message|>", False, id="answer"),
        pytest.param("<|message|>", True, id="channel not told"),
    ],
)
@pytest.mark.parametrize("assumed", [False, True], ids=["assumed outside", "assumed inside"])
def test_channels_start_in_thinking(tail: str, inside: bool, assumed: bool) -> None:
    """With channels the header of the message that is to be written decides."""
    assert CHANNELS.starts_in_thinking(tail, assumed=assumed) is inside


def test_family_that_does_not_think() -> None:
    """Without tags there is no inside, not even an assumed one."""
    assert not FAMILIES["none"].starts_in_thinking("<think>", assumed=True)
