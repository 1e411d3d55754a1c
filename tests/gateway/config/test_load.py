"""One frozen result, its defaults, and every mistake named at once."""

import importlib.util
import subprocess
import sys
import tomllib
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path

import pytest

from engine.settings import platform_defaults
from gateway.config.load import load
from gateway.config.settings import ModelConfig, ServerConfig
from gateway.config.sources import Options
from tests.gateway.config.files import ROOT, problems, write


def test_defaults(tmp_path):
    """With no source at all every value is the built-in default."""
    loaded = load(Options(), {}, tmp_path)

    assert loaded.config.server == ServerConfig()
    assert loaded.config.model == ModelConfig("demo", ("demo",))
    assert loaded.config.engine == {**platform_defaults(), "enforce_eager": True}
    assert loaded.sources["engine.enforce_eager"] == "demo model"
    assert loaded.config.templates == {}
    assert loaded.sources["server.port"] == "default"
    assert loaded.sources["model.names"] == "from model.path"


def test_only_the_demo_model_runs_eager(tmp_path):
    """What is set for the demo model is neither set for others nor over the operator's word."""
    other = load(Options(model="org/name"), {}, tmp_path)
    told = load(Options(sets=("engine.enforce_eager=false",)), {}, tmp_path)

    assert "enforce_eager" not in other.config.engine
    assert told.config.engine["enforce_eager"] is False
    assert told.sources["engine.enforce_eager"] == "--set"


def test_committed_file_equals_defaults(tmp_path):
    """The committed config.toml states exactly the built-in defaults."""
    assert load(Options(), {}, ROOT).config == load(Options(), {}, tmp_path).config


def test_committed_file_is_complete():
    """The committed config.toml has every section and every key."""
    committed = tomllib.loads((ROOT / "config.toml").read_text())

    loaded = load(Options(), {}, ROOT).config

    assert set(committed) == {field.name for field in fields(loaded)}
    for section in (getattr(loaded, field.name) for field in fields(loaded)):
        if is_dataclass(section):
            name = type(section).__name__.removesuffix("Config").lower()
            assert set(committed[name]) == {field.name for field in fields(section)}


def test_result_is_frozen(tmp_path):
    """Nothing can change the configuration once it is loaded."""
    loaded = load(Options(), {}, tmp_path).config

    with pytest.raises(FrozenInstanceError):
        loaded.server.port = 1
    with pytest.raises(TypeError):
        loaded.engine["seed"] = 1


def test_loading_is_light(tmp_path):
    """Loading imports neither vLLM nor torch and takes under a second."""
    code = (
        "import sys, time; from pathlib import Path; start = time.monotonic();"
        "from gateway.config.load import load; from gateway.config.sources import Options;"
        "load(Options(sets=('engine.seed=1',)), {}, Path(sys.argv[1]));"
        "sys.exit(bool({'vllm', 'torch'} & sys.modules.keys()) or time.monotonic() - start > 1)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]

    assert subprocess.run(command, check=False, cwd=ROOT).returncode == 0


def test_model_forms(tmp_path):
    """A model is the demo, a folder here or under ./models, or a hub id."""
    here = write(tmp_path / "here/config.json").parent
    below = write(tmp_path / "models/org/below/config.json").parent
    forms = {
        "demo": "demo",
        "here": str(here),
        "./here": str(here),
        str(here): str(here),
        "org/below": str(below),
        "Qwen/Qwen3-0.6B": "Qwen/Qwen3-0.6B",
    }

    for text, path in forms.items():
        model = load(Options(model=text), {}, tmp_path).config.model
        assert model == ModelConfig(path, (Path(path).name,))


@pytest.mark.parametrize("text", ["/gone", "./gone", "~/gone-model", "gpt2", "a/b/c", ""])
def test_model_not_found(tmp_path, text):
    """What is neither is an error on model.path."""
    (problem,) = problems(tmp_path, model=text)

    assert problem.startswith("model.path: ")
    assert problem.endswith("(--model)")


@pytest.mark.parametrize("names", ['["a", "a"]', '["demo:hidden"]', '[""]', '["a b"]', '["a\\n"]'])
def test_model_names(tmp_path, names):
    """Names must differ and leave the suffix separator alone."""
    (problem,) = problems(tmp_path, sets=(f"model.names={names}",))

    assert problem.startswith("model.names: ")


def test_underivable_name(tmp_path):
    """A folder whose name no client could ask for needs an explicit model name."""
    write(tmp_path / "my model/config.json")

    assert problems(tmp_path, model="my model") == [
        "model.names: must be set: 'my model' may hold only letters, digits and . _ / - "
        "(from model.path)"
    ]


def test_templates(tmp_path):
    """Templates are existing files, relative to the configuration file's folder."""
    template = write(tmp_path / "etc/chat.jinja")
    write(tmp_path / "etc/config.toml", '[templates]\ndefault = "chat.jinja"\n')

    loaded = load(Options(config="etc/config.toml"), {}, tmp_path)

    assert loaded.config.templates == {"default": str(template)}
    assert problems(
        tmp_path, sets=("templates.a=gone", f"templates.A={template}", "templates.b=3")
    ) == [
        f"templates.a: no such file (relative paths start at {tmp_path}) (--set)",
        "templates.A: a template's name may hold only a-z, 0-9, _ and - (--set)",
        f"templates.b: no such file (relative paths start at {tmp_path}) (--set)",
    ]


def test_all_problems_at_once(tmp_path):
    """Every mistake of every source is listed, with its key and origin."""
    write(
        tmp_path / "config.toml",
        "[server]\nprot = 1\nport = true\n[limits]\nmax_n = 129\n[srever]\n[logging]\nlevel = 'x'",
    )

    found = problems(
        tmp_path,
        {"THINKGATE_SERVER__DRAIN_SECONDS": "-1", "THINKGATE_ENGINE__MAX_SEQS": "1"},
        sets=("engine.model=a", "metrics.public=yes", "warmup.port=1"),
    )

    assert sorted(found) == [
        "engine.max_seqs: unknown key; did you mean engine.max_num_seqs? "
        "(THINKGATE_ENGINE__MAX_SEQS)",
        "engine.model: is set by the gateway; use model.path (--set)",
        "limits.max_n: expected int <= 128 (config.toml)",
        "logging.level: must be one of debug, info, warning, error (config.toml)",
        "metrics.public: expected bool, got str (--set)",
        "server.drain_seconds: expected float >= 0.0 (THINKGATE_SERVER__DRAIN_SECONDS)",
        "server.port: expected int, got bool (config.toml)",
        "server.prot: unknown key; did you mean server.port? (config.toml)",
        "srever: unknown key; did you mean server? (config.toml)",
        "warmup.port: unknown key; did you mean server.port? (--set)",
    ]


@pytest.mark.parametrize(
    "assignment",
    [
        "server.port=-1",
        "server.port=65536",
        "server.port=80.0",
        "server.host=",
        "server.api_keys_env=not a name",
        "server.cors_origins=[1]",
        "server.max_body_bytes=1023",
        "server.ping_seconds=0",
        "server.ping_seconds=nan",
        "thinking.format=harmony",
        "thinking.visibility=none",
        "thinking.field=thinking",
        "thinking.default=true",
        "warmup.enabled=1",
        "warmup.batch=-1",
        "warmup.max_tokens=0",
        "limits.max_n=0",
        "limits.max_concurrent_requests=0",
    ],
)
def test_bad_values(tmp_path, assignment):
    """A wrong type or a value out of range is one problem that names its key."""
    (problem,) = problems(tmp_path, sets=(assignment,))

    assert problem.startswith(assignment.split("=")[0] + ": ")


def test_section_must_be_table(tmp_path):
    """A value where a section belongs is a problem; an empty section is not."""
    write(tmp_path / "config.toml", "server = 1\n[engine]\n")

    assert problems(tmp_path) == ["server: must be a table (config.toml)"]


def test_missing_vllm_is_one_problem(tmp_path, monkeypatch):
    """Without vLLM the engine's keys can't be checked, which is said once."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert problems(tmp_path, sets=("engine.a=1", "engine.b=2")) == [
        "engine: vLLM is not installed in this environment"
    ]
    monkeypatch.setattr("gateway.config.load.platform_defaults", dict)
    assert problems(tmp_path, sets=("a.b=1",)) == ["a.b: unknown key (--set)"]


@pytest.mark.parametrize(
    ("environ", "sets"),
    [
        ({}, ("server.api_keys_file=sk-hidden",)),
        ({}, ("server.api_keys_env=sk-hidden,sk-more",)),
        ({}, ("server.api_keys=sk-hidden",)),
        ({}, ("engine.hf_tokens=sk-hidden",)),
        ({}, ("engine.hf_token:sk-hidden",)),
        ({"THINKGATE_API__KEYS": "sk-hidden"}, ()),
        ({"THINKGATE_SERVER__API_KEYS_FILE": "\udcff sk-hidden"}, ()),
    ],
)
def test_errors_keep_secrets(tmp_path, environ, sets):
    """A secret in the wrong place is refused without being repeated."""
    (problem,) = problems(tmp_path, environ, sets=sets)

    assert "sk-hidden" not in problem
