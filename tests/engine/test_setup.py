"""vLLM, configured and not started."""

from pathlib import Path

import pytest

from engine.errors import EngineStartError
from engine.settings import engine_arguments
from engine.setup import VllmSetup
from tests.engine.conftest import CONTEXT


def test_it_knows_the_model_without_an_engine(setup: VllmSetup) -> None:
    """Whatever its templates are like."""
    assert setup.renderer.max_model_len == CONTEXT
    assert "{% if" in setup.renderer.template_source("syntax")


@pytest.mark.parametrize("table", [{"max_model_len": -5}, {"no_such_argument": 1}])
def test_what_vllm_refuses_is_told(tmp_path: Path, table: dict[str, object]) -> None:
    """On one line, with the name of its exception."""
    with pytest.raises(EngineStartError, match=r"^\w+: .+$") as caught:
        VllmSetup(engine_arguments(table, str(tmp_path), ["x"]), {})
    assert "\n" not in str(caught.value)
