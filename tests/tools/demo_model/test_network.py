"""The network in plain PyTorch: what is trained is what is written, and what vLLM runs."""

from pathlib import Path

import pytest
import torch

from engine.demo import DRAFT as DRAFT_FOLDER
from engine.demo import MODEL as FOLDER
from tools.demo_model.__main__ import train
from tools.demo_model.conversation import END, render
from tools.demo_model.corpus import IGNORED, Batches, Recipe
from tools.demo_model.evaluate import with_torch
from tools.demo_model.network import (
    DRAFT,
    Network,
    block_mask,
    load_network,
    pair_mask,
    rounded,
    write_network,
)
from tools.demo_model.tokenizer import load_tokenizer

RECIPE = Recipe(seed=1, steps=4, rows=2, length=512, lr=3e-3)


def test_a_batch_is_conversations_side_by_side() -> None:
    """Each token's target is the next one of its conversation, and only replies have targets."""
    tokens, targets, conversations = Batches(RECIPE, load_tokenizer(FOLDER))[0]
    assert tokens.shape == targets.shape == conversations.shape == (2, 512)
    for row in range(2):
        numbers = conversations[row].tolist()
        assert numbers == sorted(numbers)
        for at in range(511):
            if targets[row, at] != IGNORED and numbers[at] == numbers[at + 1]:
                assert targets[row, at] == tokens[row, at + 1]
    assert 0.1 < (targets != IGNORED).float().mean() < 0.9


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_both_masks_show_the_same() -> None:
    """Blocks, as a GPU has them, and all pairs let each conversation see itself alone."""
    torch.manual_seed(1)
    network = Network(DRAFT)
    conversations = torch.zeros(2, 512).long()
    conversations[0, 100:], conversations[0, 300:], conversations[1, 257:] = 1, 2, 1
    tokens, positions = torch.randint(0, 1280, (2, 512)), torch.arange(512)[None]
    with torch.no_grad():
        pairs, _ = network(tokens, positions, pair_mask(conversations))
        blocks, _ = network(tokens, positions, block_mask(conversations))
    assert torch.allclose(pairs, blocks, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
def test_training_learns_and_is_written(tmp_path: Path) -> None:
    """A few steps make the loss smaller, and the file has what was learned, rounded."""
    torch.manual_seed(1)
    tokenizer = load_tokenizer(FOLDER)
    tokens, targets, conversations = (part.long() for part in Batches(RECIPE, tokenizer)[9])
    network = Network(DRAFT)
    before = network.loss(tokens, targets, conversations).item()
    train(network, RECIPE, tokenizer, workers=0)
    assert network.loss(tokens, targets, conversations).item() < before
    write_network(network, tmp_path, 0, 1)
    for name, weight in load_network(tmp_path, DRAFT).state_dict().items():
        assert torch.equal(weight, rounded(network.state_dict()[name]).float())


def test_weights_are_rounded_to_the_nearest() -> None:
    """Two bits are left out, whichever the sign, and what is rounded stays."""
    values = torch.tensor([0.0, 1.0, -1.0, 1.0156, -1.0157, 3e-9, -200.3])
    assert torch.allclose(rounded(values).float(), values, rtol=2**-6, atol=0)
    assert torch.equal(rounded(rounded(values).float()), rounded(values))
    assert not (rounded(values).view(torch.int16) & 3).any()
    shipped = load_network(DRAFT_FOLDER, DRAFT).parameters()
    assert all(torch.equal(rounded(weight), weight.bfloat16()) for weight in shipped)


def test_the_checkpoint_does_a_sum() -> None:
    """The shipped weights, by plain PyTorch, think and answer as they do in the engine."""
    complete = with_torch(FOLDER, "cpu", max_tokens=120)
    asks = ["17 + 25?", "三加四等于多少？"]
    think, off = (
        complete([render([{"role": "user", "content": ask}], [], on) for ask in asks])
        for on in (True, False)
    )
    assert [reply.split("</think>\n\n")[1] for reply in think] == ["42" + END, "7" + END]
    assert "7 + 5 + 0 = 12, write 2, carry 1" in think[0]
    assert off == ["42" + END, "7" + END]
