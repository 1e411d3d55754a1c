"""The plugin that vLLM loads."""

from importlib.metadata import entry_points

import pytest
import torch

from engine.plugin import expand, register


def test_vllm_finds_it() -> None:
    """It is installed where vLLM looks for plugins."""
    (ours,) = [
        each for each in entry_points(group="vllm.general_plugins") if each.name == "thinkgate"
    ]
    assert ours.load() is register


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.float32])
def test_values_are_spread_over_tokens(dtype: torch.dtype) -> None:
    """Whatever the type; a request without tokens has none, and one value is replaced."""
    output = torch.full((6,), 77, dtype=dtype)
    cumulative = torch.tensor([2, 2, 5, 6], dtype=torch.int32)
    expand(output, torch.tensor([3, 4, 0, 5], dtype=dtype), cumulative, 0, 1)
    assert output.tolist() == [3, 3, 1, 1, 1, 5]
