"""Conversations as batches of tokens, made while training goes on, each from its own seed."""

from dataclasses import dataclass
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tools.demo_model.conversation import train_sample

IGNORED = -100
_MISSES = 12
_NOBODY = 2**15 - 1
"""The conversation of the rest of a row: larger than any, since numbers never fall along a row."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How much text, and how it is cut.

    Attributes:
        seed: of everything.
        steps: how many batches.
        rows: of a batch.
        length: of a row, in tokens.
        lr: the highest learning rate.
    """

    seed: int
    steps: int
    rows: int
    length: int
    lr: float


Batch = tuple[Tensor, Tensor, Tensor]
"""Tokens, targets, and which conversation of its row a token is of; each rows × length."""


class Batches(Dataset[Batch]):
    """Batches by number, so that any process can make any of them."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer) -> None:
        self._recipe = recipe
        self._tokenizer = tokenizer

    def __len__(self) -> int:
        return self._recipe.steps

    def __getitem__(self, index: int) -> Batch:
        recipe = self._recipe
        rng = Random(f"{recipe.seed} {index}")
        shape = (recipe.rows, recipe.length)
        tokens = torch.zeros(shape, dtype=torch.int16)
        targets = torch.full(shape, IGNORED, dtype=torch.int16)
        conversations = torch.full(shape, _NOBODY, dtype=torch.int16)
        used, number = [0] * recipe.rows, [0] * recipe.rows
        misses = 0
        while misses < _MISSES:
            prompt, reply = self._encode(rng)
            ids = torch.tensor(prompt + reply)
            length = len(ids) - 1
            row = next((i for i, n in enumerate(used) if n + length <= recipe.length), None)
            if row is None:
                misses += 1
                continue
            place = slice(used[row], used[row] + length)
            tokens[row, place] = ids[:-1]
            targets[row, place] = ids[1:]
            targets[row, used[row] : used[row] + len(prompt) - 1] = IGNORED
            conversations[row, place] = number[row]
            used[row] += length
            number[row] += 1
        return tokens, targets, conversations

    def _encode(self, rng: Random) -> tuple[list[int], list[int]]:
        sample = train_sample(rng)
        # The reply is encoded apart from its prompt, as it is when it is generated.
        prompt: list[int] = self._tokenizer.encode(sample.prompt).ids
        reply: list[int] = self._tokenizer.encode(sample.reply).ids
        return prompt, reply


def loader(recipe: Recipe, tokenizer: Tokenizer, workers: int) -> DataLoader[Batch]:
    """Return the batches in order, made by so many processes."""
    return DataLoader(
        Batches(recipe, tokenizer),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
