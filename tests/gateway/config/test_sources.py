"""Which source wins, and what becomes of unreadable ones."""

from gateway.config.load import load
from gateway.config.settings import ModelConfig
from gateway.config.sources import Options
from tests.gateway.config.files import problems, write


def test_each_source_beats_the_one_before(tmp_path):
    """File, profiles in order, environment, --set, flag: each overrides the previous ones."""
    write(tmp_path / "config.toml", "[server]\nport = 1\n")
    write(tmp_path / "profiles/a.toml", "[server]\nport = 2\n")
    write(tmp_path / "profiles/b.toml", "[server]\nport = 3\n")
    steps = [
        ({}, {}, 1, "config.toml"),
        ({"profiles": ("b", "a")}, {}, 2, "profiles/a.toml"),
        ({"profiles": ("a", "b")}, {}, 3, "profiles/b.toml"),
        ({"profiles": ("a",)}, {"THINKGATE_SERVER__PORT": "4"}, 4, "THINKGATE_SERVER__PORT"),
        ({"sets": ("server.port=5",)}, {"THINKGATE_SERVER__PORT": "4"}, 5, "--set"),
        ({"sets": ("server.port=5",), "port": 6}, {}, 6, "--port"),
    ]

    for options, environ, port, source in steps:
        loaded = load(Options(**options), environ, tmp_path)
        assert (loaded.config.server.port, loaded.sources["server.port"]) == (port, source)


def test_platform_defaults_rank_lowest(tmp_path, monkeypatch):
    """The CPU build's engine arguments hold until any source says otherwise."""
    monkeypatch.setattr(
        "gateway.config.load.platform_defaults", lambda: {"gpu_memory_utilization": 0.4, "seed": 1}
    )

    loaded = load(Options(model="org/name", sets=("engine.seed=2",)), {}, tmp_path)

    assert loaded.config.engine == {"gpu_memory_utilization": 0.4, "seed": 2}
    assert loaded.sources["engine.gpu_memory_utilization"] == "CPU build"


def test_profile_by_path_and_beside_config(tmp_path):
    """A profile is found beside the configuration file, or named by its path."""
    write(tmp_path / "etc/config.toml")
    write(tmp_path / "etc/profiles/a.toml", "[server]\nport = 2\n")
    write(tmp_path / "b.toml", "[server]\nhost = 'b'\n")

    options = Options(config="etc/config.toml", profiles=("a", "b.toml"))
    server = load(options, {}, tmp_path).config.server

    assert (server.port, server.host) == (2, "b")


def test_model_path_variable(tmp_path):
    """MODEL_PATH names a folder at any depth under ./models, or an absolute one."""
    folder = write(tmp_path / "models/qwen/small/v1/config.json").parent

    for value in ("qwen/small/v1", str(folder)):
        environ = {"MODEL_PATH": value, "THINKGATE_MODEL__PATH": "demo"}
        loaded = load(Options(), environ, tmp_path)
        assert loaded.config.model == ModelConfig(str(folder), ("v1",))
        assert loaded.sources["model.path"] == "MODEL_PATH"


def test_model_path_variable_yields(tmp_path):
    """An empty MODEL_PATH is unset, a flag beats it, and a missing folder names model.path."""
    assert load(Options(), {"MODEL_PATH": ""}, tmp_path).config.model.path == "demo"
    environ = {"MODEL_PATH": "gone"}
    assert load(Options(model="demo"), environ, tmp_path).config.model.path == "demo"

    assert problems(tmp_path, environ) == [
        f"model.path: no such folder: {tmp_path}/models/gone (MODEL_PATH)"
    ]


def test_broken_files(tmp_path):
    """A file that is missing, not TOML or not text is named, with the line where there is one."""
    assert problems(tmp_path, config="gone.toml") == ["gone.toml: No such file or directory"]
    write(tmp_path / "config.toml", "[server]\nport 1\n")
    assert problems(tmp_path) == [
        "config.toml: Expected '=' after a key in a key/value pair (at line 2, column 6)"
    ]
    write(tmp_path / "config.toml").write_bytes(b"\xff")
    assert problems(tmp_path)[0].startswith("config.toml: 'utf-8' codec can't decode")


def test_unknown_profile(tmp_path):
    """An unknown profile is answered with the ones there are."""
    assert problems(tmp_path, profiles=("a",)) == [
        "--profile: unknown profile 'a'; available: none"
    ]
    write(tmp_path / "profiles/x.toml")
    write(tmp_path / "profiles/y.toml")
    assert problems(tmp_path, profiles=("a",)) == [
        "--profile: unknown profile 'a'; available: x, y"
    ]


def test_unknown_variable(tmp_path):
    """A variable that looks like a setting but is none is an error."""
    assert problems(tmp_path, {"THINKGATE_SERVER__HOTS": "x"}) == [
        "server.hots: unknown key; did you mean server.host? (THINKGATE_SERVER__HOTS)"
    ]
