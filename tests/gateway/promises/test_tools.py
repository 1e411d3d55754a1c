"""Chat completions that offer tools, with the official client."""

import json
from typing import Any

import pytest

from tests.conftest import RunServer
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

CALL = '<tool_call>\n{"name": "look", "arguments": {"at": "é"}}\n</tool_call>'
REPLY = f"<think>\nI look.\n</think>\n\nLet me see.\n{CALL}\n{CALL}"
PARAMETERS = {"type": "object", "properties": {"at": {"type": "string"}}}
TOOL: Any = {"type": "function", "function": {"name": "look", "parameters": PARAMETERS}}
REQUEST: dict[str, Any] = {
    "model": "demo",
    "messages": [{"role": "user", "content": "?"}],
    "tools": [TOOL],
}


async def test_calls_have_their_own_field(run_server: RunServer) -> None:
    """Calls are read out of the answer, and the reply ends with their reason."""
    engine = FakeEngine(reply=REPLY)
    async with run_server(engine) as running, running.openai() as client:
        (choice,) = (await client.chat.completions.create(**REQUEST)).choices
    message: Any = choice.message
    assert (choice.finish_reason, message.content) == ("tool_calls", "Let me see.\n")
    assert message.reasoning == "\nI look.\n"
    assert [call.id for call in message.tool_calls] == ["call_0", "call_1"]
    for call in message.tool_calls:
        assert (call.type, call.function.name) == ("function", "look")
        assert json.loads(call.function.arguments) == {"at": "é"}
    (tool,) = engine.chats[-1].tools
    assert tool.function.parameters == PARAMETERS


async def test_a_reply_that_only_calls_has_no_content(run_server: RunServer) -> None:
    """Then `content` is null, as OpenAI has it."""
    async with run_server(FakeEngine(reply=CALL)) as running, running.openai() as client:
        (choice,) = (await client.chat.completions.create(**REQUEST)).choices
    assert choice.message.content is None
    assert len(choice.message.tool_calls or ()) == 1


@pytest.mark.parametrize("cuts", [(1,), (7, 3), (1000,)])
async def test_a_stream_brings_whole_calls(run_server: RunServer, cuts: tuple[int, ...]) -> None:
    """However the model's text is cut: the text as it comes, then the calls, numbered."""
    engine = FakeEngine(reply=REPLY, cuts=cuts)
    async with run_server(engine) as running, running.openai() as client:
        stream = await client.chat.completions.create(**REQUEST, stream=True)
        choices = [chunk.choices[0] async for chunk in stream]
    assert "".join(choice.delta.content or "" for choice in choices) == "Let me see.\n"
    (called,) = [choice.delta.tool_calls for choice in choices if choice.delta.tool_calls]
    assert [call.index for call in called] == [0, 1]
    assert {call.function.name for call in called if call.function} == {"look"}
    assert choices[-1].finish_reason == "tool_calls"


async def test_visibility_changes_text_alone(run_server: RunServer) -> None:
    """Hidden or raw, the calls, the end and the counts are the same."""
    told = []
    async with run_server(FakeEngine(reply=REPLY)) as running:
        for base in ("/v1", "/hidden/v1", "/raw/v1"):
            async with running.openai(base) as client:
                told.append(await client.chat.completions.create(**REQUEST))
    parsed, hidden, raw = (reply.choices[0] for reply in told)
    assert parsed.finish_reason == hidden.finish_reason == raw.finish_reason == "tool_calls"
    assert parsed.message.tool_calls == hidden.message.tool_calls == raw.message.tool_calls
    assert told[0].usage == told[1].usage == told[2].usage
    assert raw.message.content == REPLY


@pytest.mark.parametrize(
    "reply", ["It is 42.", "<tool_call>\n{", f"{CALL[:-20]}", "<tool_call>soon</tool_call>"]
)
async def test_what_is_no_call_stays_text(run_server: RunServer, reply: str) -> None:
    """Where nothing can be read, nothing is lost."""
    for streamed in (False, True):
        engine = FakeEngine(reply=reply)
        async with run_server(engine) as running, running.openai() as client:
            answer: Any = await client.chat.completions.create(**REQUEST, stream=streamed)
            if streamed:
                said = [chunk.choices[0] async for chunk in answer]
                text = "".join(choice.delta.content or "" for choice in said)
            else:
                said = answer.choices
                text = said[0].message.content
        assert (text, said[-1].finish_reason) == (reply, "stop")


async def test_none_offers_nothing(run_server: RunServer) -> None:
    """`tool_choice: none` keeps the tools from the model, and what it writes is text."""
    engine = FakeEngine(reply=CALL)
    async with run_server(engine) as running, running.openai() as client:
        (choice,) = (await client.chat.completions.create(**REQUEST, tool_choice="none")).choices
    assert (choice.message.content, choice.finish_reason) == (CALL, "stop")
    assert engine.chats[-1].tools == ()


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"tools": [{}]}, "tools[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function"),
        ({"tools": "look"}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "look"}}}, "tool_choice"),
    ],
)
async def test_bad_tools_are_refused(
    run_server: RunServer, asked: dict[str, Any], param: str
) -> None:
    """What can't be offered, or not yet be forced, is a 400 that names the field."""
    async with run_server(FakeEngine()) as running:
        answer = await running.ask("POST", "/v1/chat/completions", REQUEST | asked)
    assert answer.status == 400
    assert answer.error()["param"] == param


async def test_a_model_that_knows_no_calls(run_server: RunServer) -> None:
    """Where the template has no calls, offering tools is a 400, not silence."""
    engine = FakeEngine(template="{{ messages }}")
    async with run_server(engine) as running:
        answer = await running.ask("POST", "/v1/chat/completions", REQUEST)
    assert answer.status == 400
    assert answer.error()["param"] == "tools"
