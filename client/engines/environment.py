"""The environment names that people already use, and those that do nothing any more.

    INFERENCE_ENGINE                 --engine
    INFERENCE_METHOD                 --method
    VLLM_ENABLE_SPECULATIVE          --method speculative if 1, --method ar if 0
    VLLM_NUM_SPECULATIVE_TOKENS      --num-speculative-tokens; where it is unset, GAMMA_VALUE
    VLLM_TENSOR_PARALLEL_SIZE, VLLM_GPU_MEMORY_UTILIZATION, VLLM_MAX_MODEL_LEN, VLLM_MAX_NUM_SEQS,
    VLLM_MAX_NUM_BATCHED_TOKENS, VLLM_DTYPE, VLLM_DISABLE_LOG_STATS
                                     vLLM's engine argument of that name; transformers heeds the
                                     length of the context and the type

An empty variable is an unset one.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from client.engines.values import Value, boolean, count, dtype, fraction

ARGUMENTS: Mapping[str, tuple[str, Callable[[str], Value]]] = MappingProxyType(
    {
        "VLLM_TENSOR_PARALLEL_SIZE": ("tensor_parallel_size", count),
        "VLLM_GPU_MEMORY_UTILIZATION": ("gpu_memory_utilization", fraction),
        "VLLM_MAX_MODEL_LEN": ("max_model_len", count),
        "VLLM_MAX_NUM_SEQS": ("max_num_seqs", count),
        "VLLM_MAX_NUM_BATCHED_TOKENS": ("max_num_batched_tokens", count),
        "VLLM_DTYPE": ("dtype", dtype),
        "VLLM_DISABLE_LOG_STATS": ("disable_log_stats", boolean),
    }
)
"""Variable -> vLLM's engine argument, and how to read it."""

OURS = frozenset(
    {
        *ARGUMENTS,
        "INFERENCE_ENGINE",
        "INFERENCE_METHOD",
        "VLLM_ENABLE_SPECULATIVE",
        "VLLM_NUM_SPECULATIVE_TOKENS",
        "GAMMA_VALUE",
    }
)
"""The variables that are read here, and no business of vLLM's."""

REMOVED: Mapping[str, str] = MappingProxyType(
    {
        "VLLM_USE_V2_BLOCK_MANAGER": "vLLM has a single block manager now; unset it",
        "VLLM_USE_V1": "vLLM has its V1 engine only; unset it",
        "VLLM_ATTENTION_BACKEND": "vLLM has the engine argument attention_backend instead",
    }
)
"""Variables that vLLM no longer has, and why."""


def removed(environ: Mapping[str, str]) -> list[str]:
    """Return a line for each variable that vLLM no longer has."""
    return [f"{name} does nothing: {why}" for name, why in REMOVED.items() if name in environ]


def stripped(environ: Mapping[str, str]) -> dict[str, str]:
    """Return it without our variables and those removed, for vLLM warns of what it doesn't know."""
    return {name: value for name, value in environ.items() if name not in {*OURS, *REMOVED}}
