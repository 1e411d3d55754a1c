"""Rebuilds the demo model: text, tokenizer, network and draft network, all from one seed.

python -m tools.demo_model [--out FOLDER] [--steps 22700] [--draft-steps 1500]
"""

import argparse
import dataclasses
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer

import engine.demo
from tools.demo_model.conversation import END, TEMPLATE, train_sample
from tools.demo_model.corpus import Recipe, loader
from tools.demo_model.network import DRAFT, MODEL, Network, load_network, write_network
from tools.demo_model.tokenizer import (
    SIZE,
    load_tokenizer,
    token_id,
    train_tokenizer,
    write_tokenizer,
)

SEED = 20_261_121
_SAMPLES = 40_000
"""How many conversations the tokenizer is made from."""

_WARMUP = 200
_CLIP = 1.0


def texts(seed: int) -> Iterator[str]:
    """Yield what the tokenizer is made from."""
    rng = Random(seed)
    for _ in range(_SAMPLES):
        sample = train_sample(rng)
        yield sample.prompt + sample.reply


def train(network: Network, recipe: Recipe, tokenizer: Tokenizer, workers: int) -> Network:
    """Train a network in place and return it, on the GPU if there is one.

    `workers` is how many processes make batches beside this one; 0 makes them in it.
    """
    torch.set_float32_matmul_precision("high")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = network.to(device).train()
    loss_of = torch.compile(network.loss) if device == "cuda" else network.loss
    optimizers = _optimizers(network, recipe.lr, fused=device == "cuda")
    begun = time.perf_counter()
    for step, batch in enumerate(loader(recipe, tokenizer, workers)):
        for group in (group for each in optimizers for group in each.param_groups):
            group["lr"] = recipe.lr * _warmth(step, recipe.steps)
        with torch.autocast(device, torch.bfloat16):
            loss = loss_of(*(part.to(device, non_blocking=True).long() for part in batch))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        for each in optimizers:
            each.step()
            each.zero_grad(set_to_none=True)
        if step % 100 == 99 or step in (0, 19, recipe.steps - 1):
            print(f"step {step + 1}: loss {loss.item():.4f}, {time.perf_counter() - begun:.1f} s")
    return network


def _optimizers(network: Network, lr: float, fused: bool) -> list[torch.optim.Optimizer]:
    """Muon for the matrices, AdamW for embedding and norms (https://kellerjordan.github.io/posts/muon)."""
    weights = dict(network.named_parameters())
    matrices = [weight for weight in network.layers.parameters() if weight.dim() == 2]
    norms = [{"params": [w for w in weights.values() if w.dim() == 1], "weight_decay": 0.0}]
    rest = [{"params": [network.embed_tokens.weight], "weight_decay": 0.1}, *norms]
    return [
        torch.optim.Muon(matrices, lr, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr, betas=(0.9, 0.98), fused=fused),
    ]


def _warmth(step: int, steps: int) -> float:
    """The learning rate's share: up at once, then straight down to nothing."""
    return min((step + 1) / _WARMUP, 1.0) * (1 - step / steps)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=engine.demo.MODEL.parent)
    parser.add_argument("--start", type=Path, help="go on from the weights in this folder")
    parser.add_argument("--steps", type=int, default=22_700)
    parser.add_argument("--draft-steps", type=int, default=1500, help="0 leaves the draft as it is")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=max(0, (os.cpu_count() or 1) - 1))
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    folder, draft_folder = arguments.out / "model", arguments.out / "draft"
    for each in (folder, draft_folder):
        each.mkdir(parents=True, exist_ok=True)
    if arguments.start:
        tokenizer = load_tokenizer(arguments.start / "model")
    else:
        tokenizer = train_tokenizer(texts(arguments.seed))
    assert tokenizer.get_vocab_size() == SIZE
    write_tokenizer(tokenizer, folder)
    if not (folder / TEMPLATE.name).exists():
        shutil.copy(TEMPLATE, folder)
    ends = [token_id(tokenizer, token) for token in (END, "<|endoftext|>")]
    recipe = Recipe(arguments.seed, arguments.steps, arguments.rows, arguments.length, arguments.lr)
    for shape, name, seed, steps in (
        (MODEL, "model", recipe.seed, arguments.steps),
        (DRAFT, "draft", recipe.seed + 1, arguments.draft_steps),
    ):
        if steps:
            torch.manual_seed(seed)
            start = load_network(arguments.start / name, shape) if arguments.start else None
            each = dataclasses.replace(recipe, seed=seed, steps=steps)
            network = train(start or Network(shape), each, tokenizer, arguments.workers)
            write_network(network, arguments.out / name, *ends)


if __name__ == "__main__":
    main()
