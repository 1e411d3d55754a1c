"""What `engine/` uses of vLLM, and whether it is checked at start."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.core_client import AsyncMPClient
from vllm.v1.metrics.loggers import StatLoggerManager

import engine
from engine import compat
from engine.errors import EngineStartError
from tests.engine.fakes import FakeCore, FakeLlm, FakeLoggers

FILES = sorted(
    path
    for path in Path(engine.__file__).parent.glob("*.py")
    # vLLM itself loads it, into each of its processes, and what it mends is on a CPU only.
    if path.name != "plugin.py"
)
VERSION = "vllm:__version__"


def used(source: str) -> set[str]:
    """The names of vLLM that a file imports, and what it takes from them: `module:name.attribute`.

    A name that is used by itself, as for a call or a type, counts as it is.
    """
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vllm":
            names |= {each.asname or each.name: f"{node.module}:{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            vllms = (each for each in node.names if each.name.split(".")[0] == "vllm")
            names |= {each.asname or each.name: f"{each.name}:" for each in vllms}
    attributes = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    found = {
        f"{names[name]}.{attribute}".replace(":.", ":")
        for name, attribute in attributes
        if name in names
    }
    return found | {name for name in names.values() if not name.endswith(":")}


def unlisted(source: str) -> set[str]:
    """Those that are neither listed themselves nor by something that is taken from them."""
    return {
        name
        for name in used(source) - {VERSION}
        if not any(each == name or each.startswith(f"{name}.") for each in compat._NAMES)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_all_that_is_used_is_listed(path: Path) -> None:
    """Whoever takes a new name from vLLM has it checked at start."""
    assert unlisted(path.read_text()) == set()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from vllm.inputs import tokens_input", set()),
        ("from vllm.inputs import TextPrompt", {"vllm.inputs:TextPrompt"}),
        ("from vllm.v1.engine import FinishReason as F", set()),
        (
            "def f():\n from vllm.v1.engine import FinishReason as F\n return F.ABORT",
            {"vllm.v1.engine:FinishReason.ABORT"},
        ),
        ("import vllm\nvllm.__version__", set()),
        ("import vllm\nvllm.LLM", {"vllm:LLM"}),
        ("from vllm import LLM", {"vllm:LLM"}),
    ],
)
def test_a_new_name_is_noticed(source: str, names: set[str]) -> None:
    """However it is imported."""
    assert unlisted(source) == names


def test_nothing_is_listed_that_is_not_used() -> None:
    """Each name's last part stands somewhere in `engine/`."""
    words = {
        word
        for path in FILES
        if path.name != "compat.py"
        for node in ast.walk(ast.parse(path.read_text()))
        for word in (getattr(node, "attr", None), getattr(node, "name", None))
    }
    assert not [each for each in compat._NAMES if re.split("[:.]", each)[-1] not in words]


def test_the_installed_vllm_has_it_all() -> None:
    """The check passes, parameters included."""
    compat.check()
    assert compat._PARAMETERS.keys() <= set(compat._NAMES)


def test_all_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: modules, names, what is taken from them, and parameters."""
    missing = ("vllm.nowhere:x", "vllm.inputs:nothing", "vllm.v1.engine:FinishReason.NEVER.EVER")
    known = "vllm.v1.engine.async_llm:AsyncLLM.shutdown"
    monkeypatch.setattr(compat, "_NAMES", (*missing, known, "vllm.inputs:tokens_input"))
    monkeypatch.setattr(compat, "_PARAMETERS", {known: {"timeout", "grace", "force"}})
    with pytest.raises(EngineStartError) as caught:
        compat.check()
    told = str(caught.value).partition("it): ")[2].split(", ")
    assert told == [*missing, f"{known}(force)", f"{known}(grace)"]


@pytest.mark.parametrize(
    ("fake", "real"),
    [(FakeCore, AsyncMPClient), (FakeLlm, AsyncLLM), (FakeLoggers, StatLoggerManager)],
)
def test_the_fakes_are_like_the_real_ones(fake: type, real: type) -> None:
    """Each method is there, and takes what the fake's takes, in the same order."""
    ours = {"die", "stats"}
    methods = {name: value for name, value in vars(fake).items() if inspect.isfunction(value)}
    for name in methods.keys() - ours - {"__init__"}:
        given, wanted = (_parameters(getattr(each, name)) for each in (fake, real))
        assert given == wanted[: len(given)], name
        assert len(given) == len(wanted) or name == "shutdown", name


def _parameters(method: Any) -> list[str]:
    return list(inspect.signature(method).parameters)


def test_the_fakes_attributes_are_real() -> None:
    """What is set on the fakes is set on vLLM's own."""
    for fake, real in ((FakeLlm(), AsyncLLM), (FakeCore(), AsyncMPClient)):
        sources = "".join(inspect.getsource(each) for each in real.__mro__[:-1])
        ours = {"failure", "shutdowns", "outputs", "requests", "aborted", "on_add", "on_abort"}
        for name in vars(fake).keys() - ours:
            assert f"self.{name}" in sources, name
