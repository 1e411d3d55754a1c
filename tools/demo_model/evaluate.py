"""Measures a trained model on what was kept from training, greedily.

python -m tools.demo_model.evaluate [--vllm] [--each 100]
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import torch

from engine.demo import MODEL as FOLDER
from tools.demo_model.conversation import END, Mode, Sample, kept_sample
from tools.demo_model.network import MODEL, Network, load_network
from tools.demo_model.task import LANGUAGES
from tools.demo_model.tokenizer import load_tokenizer, token_id

SKILLS = (
    *("add", "subtract", "multiply", "compare", "sort", "count"),
    *("json", "call", "result", "identity", "chat", "unknown"),
)
MODES: tuple[Mode, ...] = ("think", "off", "soft")

_BATCH = 128
_MAX_TOKENS = 2100
"""Enough to count as far as it can."""

Generate = Callable[[list[str]], list[str]]
"""Completes prompts, the end of the turn included."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one reply is worth.

    Attributes:
        right: the answer is the expected one.
        formed: thinking is where it belongs, and nowhere else.
    """

    right: bool
    formed: bool


def judge(sample: Sample, reply: str) -> Verdict:
    """Compare a reply with the expected one; how it was thought about does not matter."""
    answer = reply
    formed = "think>" not in reply
    if sample.mode == "think":
        thought, closed, answer = reply.removeprefix("<think>\n").partition("\n</think>\n\n")
        formed = reply.startswith("<think>\n") and bool(closed and thought)
        formed = formed and "think>" not in thought + answer
    elif sample.mode == "soft":
        formed = reply.count("think>") == 2 and reply.startswith("<think>\n\n</think>\n\n")
        answer = reply.removeprefix("<think>\n\n</think>\n\n")
    return Verdict(answer == sample.task.answer + END, formed)


def kept_samples(seed: int, each: int) -> dict[tuple[str, str, str, bool], list[Sample]]:
    """Return different evaluation samples by skill, language, mode, and unseen wording."""
    cells: dict[tuple[str, str, str, bool], list[Sample]] = {}
    for skill, language, unseen, mode in product(SKILLS, LANGUAGES, (False, True), MODES):
        rng = Random(f"{seed} {skill} {language} {mode} {unseen}")
        found = (kept_sample(rng, skill, language, mode, unseen) for _ in range(each))
        samples = {sample.prompt: sample for sample in found if sample is not None}
        cells[skill, language, mode, unseen] = list(samples.values())
    return cells


def evaluate(generate: Generate, seed: int, each: int) -> list[dict[str, Any]]:
    """Return the rates of each cell, and print those that went wrong."""
    cells = kept_samples(seed, each)
    samples = [sample for cell in cells.values() for sample in cell]
    replies = dict(
        zip(
            (sample.prompt for sample in samples),
            generate([sample.prompt for sample in samples]),
            strict=True,
        )
    )
    rows = []
    for (skill, language, mode, unseen), cell in cells.items():
        verdicts = [judge(sample, replies[sample.prompt]) for sample in cell]
        row = {"skill": skill, "language": language, "mode": mode, "unseen": unseen}
        row |= {"n": len(cell), "right": sum(v.right for v in verdicts)}
        rows.append(row | {"formed": sum(v.formed for v in verdicts)})
        for sample, verdict in zip(cell, verdicts, strict=True):
            if not (verdict.right and verdict.formed):
                wrong = {"wrong": f"{skill} {mode}", "ask": sample.messages[-1]["content"]}
                wrong |= {"reply": replies[sample.prompt], "wanted": sample.reply}
                print(json.dumps(wrong, ensure_ascii=False))
    return rows


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Write the rates as a Markdown table: one line a skill, both languages together."""
    columns = [(mode, unseen) for unseen in (False, True) for mode in MODES]
    lines = ["| skill | " + " | ".join(f"{m}{', unseen' * u}" for m, u in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    rows = list(rows)
    for skill in SKILLS:
        cells = []
        for mode, unseen in columns:
            chosen = [
                r for r in rows if (r["skill"], r["mode"], r["unseen"]) == (skill, mode, unseen)
            ]
            cells.append(rate(chosen, "right"))
        lines.append(f"| {skill} | " + " | ".join(cells) + " |")
    formed = [rate([r for r in rows if (r["mode"], r["unseen"]) == c], "formed") for c in columns]
    return "\n".join([*lines, "| *form* | " + " | ".join(formed) + " |"])


def rate(rows: Sequence[dict[str, Any]], name: str) -> str:
    """Write how many of all samples of these cells, in per cent."""
    total = sum(row["n"] for row in rows)
    return f"{100 * sum(row[name] for row in rows) / total:.1f} ({total})" if total else "-"


def with_torch(folder: Path, device: str, max_tokens: int = _MAX_TOKENS) -> Generate:
    """Complete greedily by plain PyTorch, by at most `max_tokens` tokens a prompt."""
    network = load_network(folder, MODEL).to(device)
    tokenizer = load_tokenizer(folder)
    end = token_id(tokenizer, END)

    def generate(prompts: list[str]) -> list[str]:
        ids: list[list[int]] = [tokenizer.encode(prompt).ids for prompt in prompts]
        # Counting takes long, so those that count are batched together.
        order = sorted(range(len(ids)), key=lambda i: ("ount" in prompts[i][-60:], len(ids[i])))
        texts = [""] * len(ids)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            replies = _complete(network, [ids[i] for i in chosen], end, max_tokens)
            for i, reply in zip(chosen, replies, strict=True):
                texts[i] = tokenizer.decode(reply, skip_special_tokens=False)
        return texts

    return generate


@torch.inference_mode()
def _complete(
    network: Network, prompts: list[list[int]], end: int, max_tokens: int
) -> list[list[int]]:
    """Go on from all prompts at once, padded on the left; `end` ends a reply and is part of it."""
    device = network.embed_tokens.weight.device
    longest = max(map(len, prompts))
    padded = [[end] * (longest - len(ids)) + ids for ids in prompts]
    tokens = torch.tensor(padded, device=device)
    lengths = torch.tensor([len(ids) for ids in prompts], device=device)
    positions = torch.arange(longest, device=device)[None]
    real = positions >= longest - lengths[:, None]
    mask = real[:, None, None] & (positions <= positions.T)
    mask = mask | torch.eye(longest, device=device).bool()  # padding sees itself
    logits, past = network(tokens, positions, mask)
    replies: list[list[int]] = [[] for _ in prompts]
    for step in range(max_tokens):
        chosen = logits[:, -1].argmax(-1)
        for reply, token in zip(replies, chosen.tolist(), strict=True):
            if not reply or reply[-1] != end:
                reply.append(token)
        if all(reply[-1] == end for reply in replies):
            break
        real = torch.cat((real, real.new_ones(len(prompts), 1)), 1)
        position = positions.new_full((1, 1), longest + step)
        logits, past = network(chosen[:, None], position, real[:, None, None], past)
    return replies


def with_vllm(folder: Path) -> Generate:
    """Complete greedily by vLLM."""
    from vllm import LLM, SamplingParams

    llm = LLM(str(folder), enforce_eager=True, gpu_memory_utilization=0.4)
    sampling = SamplingParams(temperature=0, max_tokens=_MAX_TOKENS, skip_special_tokens=False)

    def generate(prompts: list[str]) -> list[str]:
        outputs = llm.generate(prompts, sampling)
        return [o.outputs[0].text + END * (o.outputs[0].finish_reason == "stop") for o in outputs]

    return generate


def main() -> None:
    """Print the wrong replies, a table, and the rates as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vllm", action="store_true", help="complete by vLLM")
    parser.add_argument("--each", type=int, default=50, help="samples of each cell")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generate = with_vllm(arguments.model) if arguments.vllm else with_torch(arguments.model, device)
    rows = evaluate(generate, arguments.seed, arguments.each)
    print(table(rows))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
