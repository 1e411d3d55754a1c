"""What flags and environment names ask of engines side by side."""

import argparse

import pytest

from client.bench.command import add_arguments
from client.engines.environment import OURS, removed, stripped
from client.engines.settings import BadSettings, Combination, Settings, resolve


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said but by the test."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)


def settings(*flags: str, **environ: str) -> Settings:
    """Resolve flags and variables."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return resolve(parser.parse_args(flags), environ)


def problems(*flags: str, **environ: str) -> str:
    """What is wrong with them, a line each."""
    with pytest.raises(BadSettings) as caught:
        settings(*flags, **environ)
    return "\n".join(caught.value.problems)


def test_flags_come_before_the_environment_and_that_before_defaults() -> None:
    """The method, say."""
    assert settings().combinations == (Combination("vllm"),)
    environ = {"INFERENCE_METHOD": "speculative"}
    assert settings(**environ).combinations == (Combination("vllm", "draft_model"),)
    assert settings("--method=ar", **environ).combinations == (Combination("vllm"),)


def test_the_environment_chooses_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """`INFERENCE_ENGINE` stands where `--engine` does not."""
    monkeypatch.setenv("INFERENCE_ENGINE", "transformers")
    assert settings().combinations == (Combination("transformers"),)
    assert settings("--engine=vllm").combinations == (Combination("vllm"),)


def test_one_command_compares_all() -> None:
    """Lists of engines, methods and ways to draft make every combination, in their order."""
    found = settings(
        "--engine=vllm,transformers",
        "--method=ar,speculative",
        "--speculative-method=draft_model,ngram",
    )
    assert found.combinations == tuple(
        Combination(engine, draft)
        for engine in ("vllm", "transformers")
        for draft in ("", "draft_model", "ngram")
    )


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, 3),
        ({"GAMMA_VALUE": "5"}, 5),
        ({"GAMMA_VALUE": "5", "VLLM_NUM_SPECULATIVE_TOKENS": "4"}, 4),
        ({"GAMMA_VALUE": "5", "VLLM_NUM_SPECULATIVE_TOKENS": ""}, 5),
    ],
)
def test_drafts_fall_back_to_gamma(environ: dict[str, str], expected: int) -> None:
    """`GAMMA_VALUE` counts where `VLLM_NUM_SPECULATIVE_TOKENS` is unset or empty."""
    assert settings(**environ).num_speculative_tokens == expected
    assert settings("--num-speculative-tokens=7", **environ).num_speculative_tokens == 7


def test_variables_become_engine_arguments() -> None:
    """Each under vLLM's own name, with its own type; unset ones are left to vLLM."""
    found = settings(
        VLLM_TENSOR_PARALLEL_SIZE="2",
        VLLM_GPU_MEMORY_UTILIZATION="0.9",
        VLLM_MAX_MODEL_LEN="4096",
        VLLM_MAX_NUM_SEQS="8",
        VLLM_MAX_NUM_BATCHED_TOKENS="8192",
        VLLM_DTYPE="bfloat16",
        VLLM_DISABLE_LOG_STATS="True",
    )
    assert found.arguments == {
        "tensor_parallel_size": 2,
        "gpu_memory_utilization": 0.9,
        "max_model_len": 4096,
        "max_num_seqs": 8,
        "max_num_batched_tokens": 8192,
        "dtype": "bfloat16",
        "disable_log_stats": True,
    }
    assert settings(VLLM_MAX_NUM_SEQS="").arguments == {}


@pytest.mark.parametrize(("value", "draft"), [("1", "draft_model"), ("false", "")])
def test_speculation_can_be_switched(value: str, draft: str) -> None:
    """`VLLM_ENABLE_SPECULATIVE` chooses the method where nothing else does."""
    assert settings(VLLM_ENABLE_SPECULATIVE=value).combinations == (Combination("vllm", draft),)
    flag = settings("--method=ar", VLLM_ENABLE_SPECULATIVE=value)
    assert flag.combinations == (Combination("vllm"),)


def test_variables_that_disagree_are_both_named() -> None:
    """None of the two wins silently; a flag settles it."""
    environ = {"INFERENCE_METHOD": "ar", "VLLM_ENABLE_SPECULATIVE": "1"}
    said = problems(**environ)
    assert "INFERENCE_METHOD=ar" in said
    assert "VLLM_ENABLE_SPECULATIVE=1" in said
    assert settings("--method=ar", **environ).combinations == (Combination("vllm"),)


def test_every_bad_value_is_named_at_once() -> None:
    """With the variable or the flag that holds it."""
    bad = {
        "INFERENCE_METHOD": "fast",
        "VLLM_ENABLE_SPECULATIVE": "maybe",
        "GAMMA_VALUE": "0",
        "VLLM_TENSOR_PARALLEL_SIZE": "two",
        "VLLM_GPU_MEMORY_UTILIZATION": "nan",
        "VLLM_MAX_MODEL_LEN": "-1",
        "VLLM_MAX_NUM_SEQS": "1.5",
        "VLLM_MAX_NUM_BATCHED_TOKENS": "²",
        "VLLM_DTYPE": "fp8",
        "VLLM_DISABLE_LOG_STATS": "2",
    }
    lines = problems("--engine=vllm,llama", "--speculative-method=eagle", **bad).splitlines()
    assert {line.partition("=")[0] for line in lines} == {*bad, "--engine", "--speculative-method"}


def test_another_model_needs_its_own_draft() -> None:
    """The demo model's is not tried; n-grams need none."""
    flags = ("--method=speculative", "--model-path=models/big")
    assert "--draft" in problems(*flags)
    assert settings(*flags, "--draft=models/small").draft == "models/small"
    assert settings(*flags, "--speculative-method=ngram").model == "models/big"


@pytest.mark.parametrize(
    "flag",
    ["--rate=3", "--concurrency=8", "--input-tokens=9", "--token-ids=1-9", "--slo=ttft_ms=9"],
)
def test_arguments_for_servers_are_refused(flag: str) -> None:
    """What an engine would not heed is not swallowed."""
    assert flag.split("=")[0] in problems("--engine=vllm", flag)


def test_removed_variables_get_one_line_each() -> None:
    """And neither they nor ours reach vLLM, which warns of those that it does not know."""
    environ = {
        "VLLM_USE_V2_BLOCK_MANAGER": "1",
        "VLLM_MAX_NUM_SEQS": "8",
        "VLLM_CPU_KVCACHE_SPACE": "4",
    }
    (line,) = removed(environ)
    assert line.startswith("VLLM_USE_V2_BLOCK_MANAGER does nothing")
    assert stripped(environ) == {"VLLM_CPU_KVCACHE_SPACE": "4"}
