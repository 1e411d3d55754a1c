"""`profiles/`: each is a configuration that the installed vLLM understands, and explains itself."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest
from pydantic import TypeAdapter

from engine.settings import engine_arguments
from gateway.config.load import load
from gateway.config.sources import Options
from tests.checkout import ROOT

PROFILES = sorted(path.stem for path in ROOT.glob("profiles/*.toml"))


def validate(engine: Mapping[str, Any]) -> None:
    """Raise ValueError or TypeError unless the installed vLLM takes this `[engine]` table.

    What needs the model's own configuration or a GPU is out of reach here.
    """
    from torch._inductor import config as inductor
    from vllm.config import SpeculativeConfig
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS

    _check_types(AsyncEngineArgs, engine)
    if engine.get("quantization", "fp8") not in QUANTIZATION_METHODS:
        raise ValueError(f"no such quantization: {engine['quantization']}")
    arguments = AsyncEngineArgs(**engine_arguments(engine, "org/name", ["name"]))
    speculation = arguments.speculative_config
    if speculation is not None:
        _check_types(SpeculativeConfig, speculation)
    given = engine.get("compilation_config", {}).get("inductor_compile_config", {})
    for key, value in given.items():
        if type(value) is not type(getattr(inductor, key, None)):
            raise ValueError(f"PyTorch's inductor takes no {key} = {value!r}")


def _check_types(shape: type, table: Mapping[str, Any]) -> None:
    kinds = {field.name: field.type for field in fields(shape)}
    for key, value in table.items():
        if key not in kinds:
            raise TypeError(f"{shape.__name__} has no {key}")
        # A table becomes an object of vLLM's; everything else must be what it is.
        TypeAdapter(kinds[key]).validate_python(value, strict=not isinstance(value, dict))


def test_docs_list_them():
    """The table in the docs has every profile, and none that there isn't."""
    docs = (ROOT / "docs/operations.md").read_text()
    table = docs.partition("| profile | for |\n")[2].partition("\n\n")[0]
    names = [
        name for row in table.splitlines() for name in re.findall("`(.+?)`", row.split("|")[1])
    ]

    assert sorted(names) == PROFILES
    assert PROFILES


@pytest.mark.parametrize("profile", PROFILES)
def test_vllm_takes_it(profile):
    """Names, types and choices in `[engine]` and its tables are the installed vLLM's."""
    loaded = load(Options(profiles=(profile,)), {}, ROOT)

    assert f"profiles/{profile}.toml" in loaded.sources.values()
    validate(loaded.config.engine)


@pytest.mark.parametrize(
    "engine",
    [
        {"kv_cache_dtype": "fp9"},
        {"quantization": "gptq_merlin"},
        {"max_num_seqs": "8"},
        {"performance_mode": "fast"},
        {"max_num_sequences": 8},
        {"compilation_config": {"level": 3}},
        {"compilation_config": {"mode": 4}},
        {"compilation_config": {"inductor_compile_config": {"max_autotuning": True}}},
        {"compilation_config": {"inductor_compile_config": {"max_autotune": 1}}},
        {"speculative_config": {"method": "draft", "num_speculative_tokens": 3}},
        {"speculative_config": {"method": "ngram", "num_tokens": 3}},
    ],
    ids=str,
)
def test_mistakes_are_found(engine):
    """A wrong name, type or choice does not pass, the old name of a key included."""
    with pytest.raises((ValueError, TypeError)):
        validate(engine)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_key_is_explained(profile):
    """Each key has a comment on its line or above it, and nobody is told a figure of ours."""
    lines = (ROOT / f"profiles/{profile}.toml").read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"\w+ *=", line)]

    assert [lines[n] for n in keys if " # " not in lines[n] and lines[n - 1][:1] != "#"] == []
    assert profile.startswith("demo") or "# Not measured by us" in "\n".join(lines[:3])
    assert keys


@pytest.mark.parametrize("profile", PROFILES)
def test_parts_agree(profile):
    """A batch fits the CUDA graphs and the warmup that are there for it, and may be in flight."""
    table = tomllib.loads((ROOT / f"profiles/{profile}.toml").read_text())
    engine = table.get("engine", {})
    sequences = engine.get("max_num_seqs", 1)
    sizes = engine.get("compilation_config", {}).get("cudagraph_capture_sizes", [sequences])

    assert max(sizes) == sequences
    assert table.get("warmup", {}).get("batch", sequences) == sequences
    assert table.get("limits", {}).get("max_concurrent_requests", 1024) >= sequences
