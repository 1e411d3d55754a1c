"""How to choose tokens, as EngineCore is told."""

import pytest
from vllm.sampling_params import RequestOutputKind

from engine.setup import VllmSetup
from engine.types import Sampling
from tests.engine.conftest import CONTEXT
from tests.engine.submitting import PROMPTS, Engine

pytestmark = pytest.mark.anyio

ROOM = CONTEXT - len(PROMPTS[0].token_ids)


@pytest.mark.parametrize(("seed", "seeds"), [(7, [7, 8, 9]), (2**63 - 2, [2**63 - 2, 2**63 - 1])])
async def test_choices_differ_in_their_seed(engine: Engine, seed: int, seeds: list[int]) -> None:
    """In the same way each time, within an int64, which is all that EngineCore takes."""
    found = [each.seed for each in await engine.sent(Sampling(n=3, seed=seed))]
    assert found[: len(seeds)] == seeds
    assert len(set(found)) == 3
    assert all(-(2**63) <= each < 2**63 for each in found)
    assert [each.seed for each in await engine.sent(Sampling(n=3))][3:] == [None] * 3


@pytest.mark.parametrize(
    ("wanted", "given"),
    [(None, CONTEXT - 3), (10, 10), (CONTEXT, CONTEXT - 3), (2**70, CONTEXT - 3)],
)
async def test_replies_end_with_the_context(engine: Engine, wanted: int | None, given: int) -> None:
    """However much was asked for."""
    (found,) = await engine.sent(Sampling(max_tokens=wanted))
    assert found.max_tokens == given


async def test_the_generation_config_has_the_defaults(setup: VllmSetup, engine: Engine) -> None:
    """The model's, where a request has no values of its own; text is our business."""
    defaults = setup.renderer.sampling_defaults
    assert defaults == {"temperature": 0.3, "top_k": 20, "top_p": 0.95}
    (found,) = await engine.sent(Sampling(top_k=5, temperature=0.0, ignore_eos=True))
    assert (found.top_p, found.top_k, found.temperature, found.ignore_eos) == (1.0, 0, 0.0, True)
    (found,) = (await engine.sent(Sampling(top_k=5, min_p=0.25)))[1:]
    assert (found.temperature, found.top_k, found.top_p, found.min_p) == (0.3, 5, 0.95, 0.25)
    assert found.n == 1
    assert not found.detokenize
    assert found.output_kind is RequestOutputKind.DELTA


async def test_the_generation_config_may_limit_replies(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a request says how long it wants to be."""
    monkeypatch.setattr(engine.submissions._renderer, "sampling_defaults", {"max_tokens": 20})
    assert [each.max_tokens for each in await engine.sent(Sampling())] == [20]
    assert [each.max_tokens for each in await engine.sent(Sampling(max_tokens=30))][1:] == [30]
