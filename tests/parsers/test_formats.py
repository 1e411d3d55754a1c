"""`parsers.formats`: how a model marks its thinking, and whether its reply begins with it."""

import pytest

from parsers.formats import FORMATS, ThinkingFormat, detect, starts_inside

THINK, PIPES = FORMATS["think"], FORMATS["thinking"]


@pytest.mark.parametrize("family", FORMATS.values(), ids=FORMATS.keys())
def test_families_are_sound(family: ThinkingFormat) -> None:
    """A family has both tags or neither, and the block that keeps it from thinking is closed."""
    assert FORMATS[family.name] is family
    assert bool(family.open) == bool(family.close) == bool(family.tags)
    assert not starts_inside(family.empty_block, family, assumed=True)


def test_who_begins_without_a_tag() -> None:
    """DeepSeek-R1 alone begins with thinking though nobody says so."""
    assert [row.name for row in FORMATS.values() if row.starts_inside] == ["deepseek_r1"]


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
    ],
)
def test_detect(template: str, name: str) -> None:
    """The tags in a chat template tell the family; without any it is `think`."""
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
def test_starts_inside(tail: str, inside: bool, assumed: bool) -> None:
    """The last tag of the prompt's tail decides, whatever was assumed."""
    assert starts_inside(tail, THINK, assumed=assumed) is inside


@pytest.mark.parametrize("assumed", [False, True], ids=["assumed outside", "assumed inside"])
@pytest.mark.parametrize(
    "tail",
    ["", "<|im_start|>assistant\n", "<thinking>", "<think", "</think", "<|thinking|>"],
)
def test_tail_without_tag(tail: str, assumed: bool) -> None:
    """Where the tail has no tag of the family, the assumption holds."""
    assert starts_inside(tail, THINK, assumed=assumed) is assumed


def test_tail_of_another_family() -> None:
    """Every family reads its own tags alone."""
    assert starts_inside("<|thinking|>\n</think>", PIPES, assumed=False)
    assert not starts_inside("<|thinking|>\n<|/thinking|>\n<think>", PIPES, assumed=True)


def test_family_that_does_not_think() -> None:
    """Without tags there is no inside, not even an assumed one."""
    assert not starts_inside("<think>", FORMATS["none"], assumed=True)
