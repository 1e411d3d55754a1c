"""vLLM, imported once, and a setup of the demo model that no engine is started from."""

import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from engine.demo import MODEL
from engine.settings import engine_arguments, platform_defaults

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # vLLM's and its libraries', while they are imported
    from engine.setup import VllmSetup
    from tests.engine.fakes import running
    from tests.engine.submitting import Engine

CONTEXT = 512
TEMPLATES = {
    "syntax": "{% if",
    "filter": "{{ 1 | nofilter }}",
    "undefined": "{{ messages[0].nope.nope }}",
    "refuses": "{{ raise_exception('no system turn here') }}",
    "types": "{{ 1 + 'a' }}",
    "variables": "{{ mood }}|{{ messages[0].content }}|{{ messages[0].reasoning }}|",
    "tools": "{{ tools[0].function.name }}|{{ tools[0].function.parameters.type }}|",
    "empty": "{{ '' }}",
}
"""Configured chat templates, the broken ones among them."""


@pytest.fixture(scope="session")
def setup() -> Iterator[VllmSetup]:
    """The demo model's; broken templates and all, it is there without an engine."""
    table = {"max_model_len": CONTEXT, **platform_defaults()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_NUM_THREADS", "1")  # it would stay behind
        setup = VllmSetup(engine_arguments(table, str(MODEL), ["demo"]), TEMPLATES)
        yield setup
        setup.close()


@pytest.fixture(scope="session")
def tokenizer(setup: VllmSetup) -> Any:
    """The demo model's, as vLLM has it."""
    return setup.renderer._tokenizer


@pytest.fixture
async def engine(setup: VllmSetup) -> AsyncIterator[Engine]:
    """One that accepts everything; its outputs are handled."""
    engine = Engine(setup)
    async with running(engine.llm, engine.outputs):
        yield engine
