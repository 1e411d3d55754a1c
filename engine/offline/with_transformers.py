"""transformers: `generate` with a batch of one, each of its steps timed.

How it works: `generate` can be watched in two places. Its streamer gets the tokens of each step,
after a first call that only brings the prompt; a hook on the model sees each forward pass. A pass
reads what was not read before, the whole prompt at first and one token from then on, and behind it
the draft that it checks. So drafts are counted from outside: what a pass reads beyond that is a
draft, and a step that brings n tokens has accepted n - 1 of it, since the last one is always the
model's own. `_Steps` notes both for one prompt; `TransformersRunner` adds them up.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM

from engine.errors import PromptTooLong
from engine.offline.job import Drafts, Job, Reply
from engine.offline.lookup import LONGEST


@asynccontextmanager
async def start(job: Job, model: str, draft: str) -> AsyncIterator["TransformersRunner"]:
    """Load the model for the time of an `async with` block.

    Raises:
        OSError: on entry, there is no such model.
    """
    dtype = str(job.arguments.get("dtype", "auto"))
    target = _load(model, dtype)
    options: dict[str, Any] = {}
    if job.speculative == "draft_model":
        assistant = _load(draft, dtype)
        # Drafts as long as vLLM's, whatever the draft model thinks of its own chances.
        assistant.generation_config.num_assistant_tokens = job.num_speculative_tokens
        assistant.generation_config.num_assistant_tokens_schedule = "constant"
        assistant.generation_config.assistant_confidence_threshold = 0.0
        options = {"assistant_model": assistant}
    elif job.speculative == "ngram":
        options = {
            "prompt_lookup_num_tokens": job.num_speculative_tokens,
            "max_matching_ngram_size": LONGEST,
        }
    positions = job.num_speculative_tokens if job.speculative else 0
    limit = int(target.config.get_text_config().max_position_embeddings)
    limit = int(job.arguments.get("max_model_len", limit))
    yield TransformersRunner(target, options, limit, positions)


def _load(path: str, dtype: str) -> Any:
    wanted = "auto" if dtype == "auto" else getattr(torch, dtype)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return AutoModelForCausalLM.from_pretrained(path, dtype=wanted).to(device).eval()


class TransformersRunner:
    """A `Runner`.

    Args:
        model: the loaded model.
        options: of `generate`, for drafts.
        limit: the context, prompt and reply together, in tokens.
        positions: how many tokens a draft has at most; 0 without drafts.
    """

    def __init__(self, model: Any, options: Mapping[str, Any], limit: int, positions: int) -> None:
        self.version = str(transformers.__version__)
        self.device = str(model.device)
        self._model = model
        self._options = options
        self._limit = limit
        self._drafts = Drafts(0, 0, 0, [0] * positions) if positions else None

    async def answer(self, prompt: Sequence[int], max_tokens: int) -> Reply:
        room = self._limit - len(prompt)
        if room < 1:
            raise PromptTooLong(self._limit, len(prompt), "prompt")
        ids = torch.tensor([list(prompt)], device=self._model.device)
        steps = _Steps(len(prompt))
        hook = self._model.register_forward_hook(steps.passed, with_kwargs=True)
        try:
            steps.sent = time.perf_counter()
            self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                streamer=steps,
                do_sample=False,
                max_new_tokens=min(max_tokens, room),
                **self._options,
            )
        finally:
            hook.remove()
        if self._drafts is not None:
            self._drafts = _more(self._drafts, steps)
        return Reply([token for step in steps.tokens for token in step], steps.times)

    async def drafts(self) -> Drafts | None:
        return self._drafts


class _Steps:
    """What `generate` does for one prompt: its streamer, and a hook on the model.

    Attributes:
        sent: when the prompt was handed over.
        drafted: the length of each draft, 0 where a step had none.
        tokens: what each step brought.
        times: when, in seconds from `sent`.
    """

    def __init__(self, prompt: int) -> None:
        self.sent = 0.0
        self.drafted: list[int] = []
        self.tokens: list[list[int]] = []
        self.times: list[float] = []
        self._known = prompt
        self._prompt_seen = False

    def passed(self, model: Any, args: Any, kwargs: Mapping[str, Any], output: Any) -> None:
        """Note a forward pass; these are a hook's arguments."""
        read = int(kwargs["input_ids"].shape[1])
        self.drafted.append(read - self._known)
        self._known = 1

    def put(self, tokens: Tensor) -> None:
        if self._prompt_seen:
            self.times.append(time.perf_counter() - self.sent)
            self.tokens.append(tokens.reshape(-1).tolist())
        self._prompt_seen = True

    def end(self) -> None:
        """Nothing is held back."""


def _more(drafts: Drafts, steps: _Steps) -> Drafts:
    accepted = [len(tokens) - 1 for tokens in steps.tokens]
    return Drafts(
        drafts.count + sum(drafted > 0 for drafted in steps.drafted),
        drafts.tokens + sum(steps.drafted),
        drafts.accepted + sum(accepted),
        [
            before + sum(count > position for count in accepted)
            for position, before in enumerate(drafts.accepted_at)
        ],
    )
