"""`gateway.wire`: every body and every frame is what OpenAI's own types expect."""

import json

import pytest
from gateway.wire import DONE, FIELDS, ChatDialect, CompletionDialect, Identity, usage_json
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from parsers.formats import FORMATS

from engine.types import Delta
from gateway.serving.choice import Piece, Reply, ReplySettings
from gateway.serving.request import Usage

DIALECTS = [ChatDialect, CompletionDialect]
KINDS = {ChatDialect: (ChatCompletion, ChatCompletionChunk), CompletionDialect: (Completion,) * 2}
USAGE = Usage(prompt_tokens=7, cached_tokens=4, completion_tokens=5, reasoning_tokens=3)
STRANGE = '"\\\n\r\u2028\u2029\0\x1f\x7f</script>data: é😀\ufffd\U0010ffff'


def make(dialect, field="both", *, show_thinking=True, with_usage=False):
    """A dialect for one response."""
    identity = Identity("chatcmpl-1", 1, "demo")
    return dialect(identity, FIELDS[field], show_thinking=show_thinking, with_usage=with_usage)


def over(finish="stop", stops=(), text="x"):
    """A reply that is over."""
    reply = Reply(ReplySettings(FORMATS["none"], False, stops, "parsed", lambda _, length: length))
    reply.feed(Delta(0, text, [1], finish))
    return reply


def chunks(dialect, data):
    """The chunks in `data`, each as JSON, once read as server-sent events and by OpenAI's types."""
    assert data.endswith(b"\n\n")
    frames = data[:-2].split(b"\n\n")
    assert all(frame.startswith(b"data: ") and b"\n" not in frame for frame in frames)
    read = [json.loads(frame.removeprefix(b"data: ")) for frame in frames]
    for chunk in read:
        typed = json.loads(json.dumps(chunk))
        if dialect is CompletionDialect:  # whose chunks have no type of their own
            for choice in typed["choices"]:
                choice["finish_reason"] = choice["finish_reason"] or "stop"
        model = KINDS[dialect][1].model_validate(typed)
        assert (model.id, model.created, model.model) == ("chatcmpl-1", 1, "demo")
        assert model.object == dialect.chunk_object
    return read


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("usage", [None, USAGE])
@pytest.mark.parametrize("with_usage", [False, True])
@given(thinking=st.text(), answer=st.text(), index=st.integers(0, 200))
def test_any_text_arrives_as_it_is(dialect, usage, with_usage, thinking, answer, index):
    """Thinking and answer each have a chunk, exact to the character; an empty one has none."""
    made = make(dialect, with_usage=with_usage)
    frames = made.piece_frames(index, Piece(thinking, answer), usage)
    read = chunks(dialect, frames) if frames else []

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


@pytest.mark.parametrize("dialect", DIALECTS)
def test_strange_text_breaks_no_frame(dialect):
    """Line ends, quotes and what looks like the protocol stay inside the JSON."""
    read = chunks(dialect, make(dialect).piece_frames(0, Piece(STRANGE, STRANGE), None))

    assert json.dumps(read).count(json.dumps(STRANGE)) == 3  # two names for thinking, one answer


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("field", FIELDS)
def test_thinking_has_the_configured_names(dialect, field):
    """Chunks and whole replies name thinking as `[thinking] field` says, and in no other way."""
    made = make(dialect, field)
    (chunk,) = chunks(dialect, made.piece_frames(0, Piece("hm", ""), None))
    whole = json.loads(made.whole([over()], [Piece("hm", "a")], USAGE))

    for choice in (*chunk["choices"], *whole["choices"]):
        said = choice.get("delta") or choice.get("message") or choice
        assert {name: said[name] for name in FIELDS["both"] if name in said} == dict.fromkeys(
            FIELDS[field], "hm"
        )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_whole_replies_name_thinking_where_it_is_shown(dialect):
    """Null where the model did not think; no such field at all where thinking is not shown."""
    for shown in (True, False):
        made = make(dialect, show_thinking=shown)
        (choice,) = json.loads(made.whole([over()], [Piece("", "a")], USAGE))["choices"]
        said = choice.get("message", choice)
        assert ("reasoning" in said, "reasoning_content" in said) == (shown, shown)
        assert said.get("reasoning") is said.get("reasoning_content") is None


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("reply", "finish", "stop"),
    [
        (over(), "stop", None),
        (over("length"), "length", None),
        (over(stops=[STRANGE], text=STRANGE), "stop", STRANGE),
    ],
)
def test_endings(dialect, reply, finish, stop):
    """The last chunk and the whole reply say how it ended, the stop string included."""
    made = make(dialect)
    (chunk,) = chunks(dialect, made.finish_frame(3, reply, None))
    whole = json.loads(made.whole([reply, reply], [Piece("", "a"), Piece("", STRANGE)], USAGE))

    assert chunk["choices"][0]["index"] == 3
    assert [choice["index"] for choice in whole["choices"]] == [0, 1]
    for choice in (*chunk["choices"], *whole["choices"]):
        assert (choice["finish_reason"], choice["stop_reason"]) == (finish, stop)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(thinking=st.text(), answer=st.text())
def test_whole_replies_are_openais(dialect, thinking, answer):
    """OpenAI's type takes them, and finds text and accounts in their places."""
    body = make(dialect).whole([over()], [Piece(thinking, answer)], USAGE)
    model = KINDS[dialect][0].model_validate_json(body)
    choice = model.choices[0]

    assert (model.id, model.object, model.created) == ("chatcmpl-1", dialect.object, 1)
    assert (choice.message.content if dialect is ChatDialect else choice.text) == answer
    said = choice.message if dialect is ChatDialect else choice
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


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("usage", [None, USAGE])
def test_usage_is_null_until_it_is_known(dialect, usage):
    """With `include_usage` every chunk has it, null unless it is continuous; without, none does."""
    for with_usage in (False, True):
        made = make(dialect, with_usage=with_usage)
        data = made.open_frame(0, usage, alone=False) + made.piece_frames(0, Piece("a", "b"), usage)
        for chunk in chunks(dialect, data + made.finish_frame(0, over(), usage)):
            assert ("usage" in chunk) is with_usage
            assert chunk.get("usage") == (usage_json(usage) if usage and with_usage else None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_usage_chunk_has_no_choices(dialect):
    """As OpenAI's last chunk before the end."""
    (chunk,) = chunks(dialect, make(dialect, with_usage=True).usage_frame(USAGE))

    assert chunk["choices"] == []
    assert chunk["usage"] == usage_json(USAGE)


def test_a_chat_stream_opens_with_the_role():
    """Chat's first chunk has it, once; completions have none."""
    (chunk,) = chunks(ChatDialect, make(ChatDialect).open_frame(2, None, alone=True))

    assert chunk["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunk["choices"][0]["index"] == 2
    assert make(CompletionDialect).open_frame(2, None, alone=False) == b""


def test_a_completion_without_text_yet_is_opened() -> None:
    """A first token that shows nothing yet is still a chunk, by which clients measure TTFT."""
    (chunk,) = chunks(CompletionDialect, make(CompletionDialect).open_frame(2, None, alone=True))
    assert chunk["choices"][0]["text"] == ""
    assert chunk["choices"][0]["finish_reason"] is None


def test_the_end_of_a_stream():
    """Word for word what OpenAI sends."""
    assert DONE == b"data: [DONE]\n\n"
