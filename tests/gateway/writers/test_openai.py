"""`gateway.writers`: every body and every frame is what OpenAI's own types expect."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from engine.types import Function, ToolCall
from gateway.http.errors import Unavailable
from gateway.serving.choice import Piece
from gateway.serving.request import Usage
from gateway.writers.chat import ChatWriter
from gateway.writers.completions import CompletionWriter
from gateway.writers.openai import FIELDS, Identity, usage_json
from parsers.families import FAMILIES
from tests.gateway.serving import choices
from tests.gateway.serving.choices import delta

WRITERS = [ChatWriter, CompletionWriter]
KINDS = {ChatWriter: (ChatCompletion, ChatCompletionChunk), CompletionWriter: (Completion,) * 2}
USAGE = Usage(prompt_tokens=7, cached_tokens=4, completion_tokens=5, reasoning_tokens=3)
DONE = b"data: [DONE]\n\n"
STRANGE = '"\\\n\r\u2028\u2029\0\x1f\x7f</script>data: é😀\ufffd\U0010ffff'


def make(writer, field="both", *, show_thinking=True, include_usage=False):
    """The writer of one response."""
    identity = Identity("chatcmpl-1", 1, "demo")
    return writer(identity, FIELDS[field], show_thinking=show_thinking, include_usage=include_usage)


def over(finish="stop", stops=(), text="x"):
    """A choice that is over."""
    state = choices.choice(FAMILIES["none"].parser(""), stops)
    state.feed(delta([text], finish))
    return state


def chunks(writer, data):
    """The chunks in `data`, each as JSON, once read as server-sent events and by OpenAI's types."""
    assert data.endswith(b"\n\n")
    frames = data[:-2].split(b"\n\n")
    assert all(frame.startswith(b"data: ") and b"\n" not in frame for frame in frames)
    read = [json.loads(frame.removeprefix(b"data: ")) for frame in frames]
    for chunk in read:
        typed = json.loads(json.dumps(chunk))
        if writer is CompletionWriter:  # whose chunks have no type of their own
            for choice in typed["choices"]:
                choice["finish_reason"] = choice["finish_reason"] or "stop"
        model = KINDS[writer][1].model_validate(typed)
        assert (model.id, model.created, model.model) == ("chatcmpl-1", 1, "demo")
        assert model.object == writer.chunk_object
    return read


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("usage", [None, USAGE])
@pytest.mark.parametrize("include_usage", [False, True])
@given(thinking=st.text(), answer=st.text(), index=st.integers(0, 200))
def test_any_text_arrives_as_it_is(writer, usage, include_usage, thinking, answer, index):
    """Thinking and answer each have a chunk, exact to the character; an empty one has none."""
    made = make(writer, include_usage=include_usage)
    frames = made.delta(index, Piece(thinking, answer), usage)
    read = chunks(writer, frames) if frames else []

    assert len(read) == bool(thinking) + bool(answer)
    seen = ["", ""]
    for chunk in read:
        (choice,) = chunk["choices"]
        assert (choice["index"], choice["finish_reason"], choice["logprobs"]) == (index, None, None)
        said = choice.get("delta", choice)
        assert said.get("reasoning") == said.get("reasoning_content")
        seen[0] += said.get("reasoning", "")
        seen[1] += said.get("content", "") + said.get("text", "")
    assert seen == [thinking, answer]


@pytest.mark.parametrize("writer", WRITERS)
def test_strange_text_breaks_no_frame(writer):
    """Line ends, quotes and what looks like the protocol stay inside the JSON."""
    read = chunks(writer, make(writer).delta(0, Piece(STRANGE, STRANGE), None))

    assert json.dumps(read).count(json.dumps(STRANGE)) == 3  # two names for thinking, one answer


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("field", FIELDS)
def test_thinking_has_the_configured_names(writer, field):
    """Chunks and whole replies name thinking as `[thinking] field` says, and in no other way."""
    made = make(writer, field)
    (chunk,) = chunks(writer, made.delta(0, Piece("hm", ""), None))
    whole = json.loads(made.whole([over()], [Piece("hm", "a")], USAGE))

    for choice in (*chunk["choices"], *whole["choices"]):
        said = choice.get("delta") or choice.get("message") or choice
        assert {name: said[name] for name in FIELDS["both"] if name in said} == dict.fromkeys(
            FIELDS[field], "hm"
        )


@pytest.mark.parametrize("writer", WRITERS)
def test_whole_replies_name_thinking_where_it_is_shown(writer):
    """Null where the model did not think; no such field at all where thinking is not shown."""
    for shown in (True, False):
        made = make(writer, show_thinking=shown)
        (choice,) = json.loads(made.whole([over()], [Piece("", "a")], USAGE))["choices"]
        said = choice.get("message", choice)
        assert ("reasoning" in said, "reasoning_content" in said) == (shown, shown)
        assert said.get("reasoning") is said.get("reasoning_content") is None


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("state", "finish", "stop"),
    [
        (over(), "stop", None),
        (over("length"), "length", None),
        (over(stops=[STRANGE], text=STRANGE), "stop", STRANGE),
    ],
)
def test_endings(writer, state, finish, stop):
    """The last chunk and the whole reply say how it ended, the stop string included."""
    made = make(writer)
    (chunk,) = chunks(writer, made.finished(3, state, None))
    whole = json.loads(made.whole([state, state], [Piece("", "a"), Piece("", STRANGE)], USAGE))

    assert chunk["choices"][0]["index"] == 3
    assert [choice["index"] for choice in whole["choices"]] == [0, 1]
    for choice in (*chunk["choices"], *whole["choices"]):
        assert (choice["finish_reason"], choice["stop_reason"]) == (finish, stop)


@pytest.mark.parametrize("writer", WRITERS)
@given(thinking=st.text(), answer=st.text())
def test_whole_replies_are_openais(writer, thinking, answer):
    """OpenAI's type takes them, and finds text and accounts in their places."""
    body = make(writer).whole([over()], [Piece(thinking, answer)], USAGE)
    model = KINDS[writer][0].model_validate_json(body)
    choice = model.choices[0]

    assert (model.id, model.object, model.created) == ("chatcmpl-1", writer.object, 1)
    assert (choice.message.content if writer is ChatWriter else choice.text) == answer
    said = choice.message if writer is ChatWriter else choice
    assert said.reasoning == said.reasoning_content == (thinking or None)
    assert model.usage.model_dump(exclude_none=True) == usage_json(USAGE)


def test_usage():
    """Cached and reasoning tokens are details, and the total is the sum."""
    assert usage_json(USAGE) == {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("usage", [None, USAGE])
def test_usage_is_null_until_it_is_known(writer, usage):
    """With `include_usage` every chunk has it, null unless it is continuous; without, none does."""
    for include_usage in (False, True):
        made = make(writer, include_usage=include_usage)
        data = made.opened(0, usage, alone=False) + made.delta(0, Piece("a", "b"), usage)
        for chunk in chunks(writer, data + made.finished(0, over(), usage)):
            assert ("usage" in chunk) is include_usage
            assert chunk.get("usage") == (usage_json(usage) if usage and include_usage else None)


@pytest.mark.parametrize("writer", WRITERS)
def test_the_usage_chunk_has_no_choices(writer):
    """As OpenAI's last chunk before the end."""
    data = make(writer, include_usage=True).ended(USAGE)
    (chunk,) = chunks(writer, data.removesuffix(DONE))

    assert data.endswith(DONE)
    assert chunk["choices"] == []
    assert chunk["usage"] == usage_json(USAGE)


def test_a_chat_stream_opens_with_the_role():
    """Chat's first chunk has it, once; completions have none."""
    (chunk,) = chunks(ChatWriter, make(ChatWriter).opened(2, None, alone=True))

    assert chunk["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunk["choices"][0]["index"] == 2
    assert make(CompletionWriter).opened(2, None, alone=False) == b""


def test_a_completion_without_text_yet_is_opened() -> None:
    """A first token that shows nothing yet is still a chunk, by which clients measure TTFT."""
    (chunk,) = chunks(CompletionWriter, make(CompletionWriter).opened(2, None, alone=True))
    assert chunk["choices"][0]["text"] == ""
    assert chunk["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize("writer", WRITERS)
def test_the_end_of_a_stream(writer):
    """Word for word what OpenAI sends, and nothing else where no usage is wanted."""
    assert make(writer).ended(USAGE) == DONE


@pytest.mark.parametrize("writer", WRITERS)
def test_a_stream_that_fails(writer):
    """One event with the error, and no `[DONE]`: what came before may not pass for the whole."""
    error = Unavailable(STRANGE, "engine_dead")
    data = make(writer, include_usage=True).failed(error)

    assert data.startswith(b"data: ")
    assert data.endswith(b"\n\n")
    assert data.count(b"\n") == 2
    assert json.loads(data[6:]) == json.loads(error.body())


@given(arguments=st.text(), answer=st.text())
def test_calls(arguments, answer):
    """Calls are told whole and numbered, after the text; a reply that only calls has no content."""
    calls = [ToolCall(Function("look", arguments), f"call_{number}") for number in range(2)]
    *_, chunk = chunks(ChatWriter, make(ChatWriter).delta(1, Piece("", answer, calls), None))
    body = make(ChatWriter).whole([over()], [Piece("", answer, calls)], USAGE)
    message = ChatCompletion.model_validate_json(body).choices[0].message

    told = chunk["choices"][0]["delta"]["tool_calls"]
    assert [call.pop("index") for call in told] == [0, 1]
    assert message.content == (answer or None)
    assert told == [call.model_dump() for call in message.tool_calls]
    assert [(call["id"], call["function"]["arguments"]) for call in told] == [
        ("call_0", arguments),
        ("call_1", arguments),
    ]
