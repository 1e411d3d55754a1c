"""API keys: where they come from, whose they are, and that none is ever repeated."""

import pytest

from gateway.config.keys import ANONYMOUS, Principal, load_keys
from gateway.config.problems import ConfigError
from gateway.config.settings import ServerConfig
from tests.gateway.config.files import write


@pytest.fixture
def read(tmp_path):
    """Read a key file with this content, and keys from the environment."""

    def read(content, environ=""):
        path = tmp_path / "keys"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_keys(ServerConfig(api_keys_file=str(path)), {"THINKGATE_API_KEYS": environ})

    return read


def refusal(read, *args):
    """What is wrong with a key file, one problem a line."""
    with pytest.raises(ConfigError) as caught:
        read(*args)
    return str(caught.value).splitlines()


def test_both_sources(tmp_path):
    """Keys come from the variable and the file, trimmed, without comments and duplicates."""
    path = write(tmp_path / "keys", "# ours\n\n three # for the batch job\nfo#ur\r\n two\n")
    server = ServerConfig(api_keys_env="KEYS", api_keys_file=str(path))

    keys = load_keys(server, {"KEYS": " one ,, two,", "THINKGATE_API_KEYS": "other"})

    for known in (b"one", b"two", b"three", b"fo#ur"):
        assert keys.principal(known) == ANONYMOUS
    for unknown in (b"", b"other", b"ours", b"three # for the batch job", b" one", b"one "):
        assert keys.principal(unknown) is None
    assert len(keys.entries) == 4


@pytest.mark.parametrize(
    ("variable", "environ"),
    [
        ("THINKGATE_API_KEYS", {}),
        ("THINKGATE_API_KEYS", {"THINKGATE_API_KEYS": " ,"}),
        ("KEYS", {"THINKGATE_API_KEYS": "k"}),
        ("", {"THINKGATE_API_KEYS": "k"}),
    ],
)
def test_no_keys(variable, environ):
    """Without a variable or with an empty one no key is asked for, and none is known."""
    keys = load_keys(ServerConfig(api_keys_env=variable), environ)

    assert not keys.required
    assert keys.principal(b"") is keys.principal(b"k") is None


@pytest.mark.parametrize(
    ("line", "name", "key"),
    [
        ("alice:sk-1", "alice", "sk-1"),
        ("alice: sk-1", "alice", "sk-1"),
        ("A_b-9:sk:1:2", "A_b-9", "sk:1:2"),
        ("a" * 64 + ":sk-1", "a" * 64, "sk-1"),
        ("a:b#c", "a", "b#c"),
        ("a:b # c", "a", "b"),
        ("a::b", "a", ":b"),
        ("a:schlüssel", "a", "schlüssel"),
        ("anonymous:sk-1", "anonymous", "sk-1"),
        ("sk-1", "anonymous", "sk-1"),
        (":sk-1", "anonymous", ":sk-1"),
        ("alice:", "anonymous", "alice:"),
        ("a" * 65 + ":sk-1", "anonymous", "a" * 65 + ":sk-1"),
        ("al.ice:sk-1", "anonymous", "al.ice:sk-1"),
        ("al ice:sk-1", "anonymous", "al ice:sk-1"),
        ("älice:sk-1", "anonymous", "älice:sk-1"),
        ("alice :sk-1", "anonymous", "alice :sk-1"),
        ("[inference]:sk-1", "anonymous", "[inference]:sk-1"),
    ],
)
def test_names(read, line, name, key):
    """The first colon ends a name where that is a name and something stands behind it."""
    keys = read(line)

    assert keys.principal(key.encode()) == Principal(name)
    assert keys.principal(line.encode()) == (Principal(name) if key == line else None)


def test_several_keys_of_one_name(read):
    """A key can be replaced by another while both are valid, and may stand there twice."""
    keys = read("alice:old\nalice:new\nalice:new\nbob:other\nshared")

    assert keys.principal(b"old") == keys.principal(b"new") == Principal("alice")
    assert keys.principal(b"other") == Principal("bob")
    assert keys.principal(b"shared") == ANONYMOUS


def test_keys_of_the_environment_have_no_names(read):
    """There, a colon belongs to the key."""
    keys = read("bob:sk-2", "alice:sk-1")

    assert keys.principal(b"alice:sk-1") == ANONYMOUS
    assert keys.principal(b"sk-1") is None
    assert keys.principal(b"sk-2") == Principal("bob")


@pytest.mark.parametrize(
    ("content", "environ", "names"),
    [
        ("alice:sk-hidden\nbob:sk-hidden", "", "alice and bob"),
        ("bob:sk-hidden\nx:y\nalice:sk-hidden", "", "bob and alice"),
        ("sk-hidden\nalice:sk-hidden", "", "anonymous and alice"),
        ("alice:sk-hidden", "sk-hidden", "anonymous and alice"),
    ],
)
def test_a_key_with_two_names(read, content, environ, names):
    """Nobody could say whose it is; the names are told, not the key."""
    assert refusal(read, content, environ) == [
        f"server.api_keys_file: one key has two names, {names}"
    ]


@pytest.mark.parametrize("line", ["alice[admin]:sk-hidden", "alice[]:sk-hidden", "a[b,c]:"])
def test_scopes_are_refused(read, line):
    """What will mean a name with scopes is not taken for a key meanwhile."""
    assert refusal(read, f"# keys\nbob:ok\n{line}") == [
        "server.api_keys_file: line 3: scopes are not supported yet"
    ]


def test_every_problem_of_a_file_is_told(read):
    """All bad lines at once."""
    assert len(refusal(read, "a[x]:1\nb[y]:2\nc:sk-hidden\nd:sk-hidden")) == 3


@pytest.mark.parametrize("content", ["", "# only a comment\n", "\ufeff"])
def test_a_file_without_keys(read, content):
    """It would open the gateway to everybody, so it is an error, other keys or not."""
    for environ in ("", "key"):
        assert refusal(read, content, environ) == ["server.api_keys_file: the file holds no key"]


def test_an_unreadable_file(tmp_path):
    """A key file that vanished since loading is an error, not a missing lock."""
    server = ServerConfig(api_keys_file=str(tmp_path / "gone"))

    with pytest.raises(ConfigError, match=r"server\.api_keys_file: No such file"):
        load_keys(server, {})


def test_a_byte_order_mark(read):
    """What Windows' editors put in front of the first line is no part of a name or key."""
    assert read("\ufeffalice:sk-1").principal(b"sk-1") == Principal("alice")


def test_keys_are_bytes(read):
    """A key is the bytes of the file, whatever they mean."""
    keys = read(b"alice:schl\xfcssel")

    assert keys.principal("schlüssel".encode("latin-1")) == Principal("alice")
    assert keys.principal("schlüssel".encode()) is None


def test_nothing_shows_a_key(read):
    """Neither the keys nor their digests, which a short key would be guessed from."""
    assert repr(read("alice:sk-hidden")) == "KnownKeys()"
