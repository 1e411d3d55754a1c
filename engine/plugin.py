"""What vLLM loads into each of its processes, as one of its general plugins.

On a CPU without Triton, vLLM 0.32 spreads `temperature`, `top_k` and `top_p` over a request's draft
tokens by a kernel that writes into a copy of its output whenever that is not int64, which it never
is: sampling with a draft model then reads memory that nobody has written, and the engine dies.
"""

from typing import Any

import torch
from torch import Tensor


def register() -> None:
    """Mend the CPU build; on other platforms do nothing."""
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        from vllm.utils import cpu_triton_utils

        # Read when the worker registers its kernels, which comes after its plugins.
        cpu_triton_utils._expand_kernel_impl = expand


def expand(
    output: Tensor,
    values: Tensor,
    cumulative: Tensor,
    replace_from: float,
    replace_to: float,
    MAX_NUM_TOKENS: Any = None,
) -> None:
    """Write each request's value once for each of its tokens, one value replaced by another.

    Args:
        output: of as many elements as there are tokens.
        values: one a request.
        cumulative: how many tokens there are up to each request and with it.
        replace_from: the value to replace.
        replace_to: what to write for it.
        MAX_NUM_TOKENS: the kernel's bound, of no use here.
    """
    counts = torch.diff(cumulative, prepend=cumulative.new_zeros(1))
    replaced = values.masked_fill(values == replace_from, replace_to)
    output.copy_(replaced.repeat_interleave(counts))
