"""Makes the demo checkpoint: a real Qwen3 architecture whose hand-set weights are a bigram table.

It thinks in lower case, answers in capitals and stops by itself, so every path of the gateway
can be exercised on a laptop. It knows nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import string
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

VERSION = 1  # raise it when anything written changes: the cache folder is named after it
SEED = 20_260_725
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TAGS = ("<tool_call>", "</tool_call>", "<think>", "</think>")
PARAGRAPH = (
    "ĊĊ"  # "\n\n" in byte-level spelling: the one merge, and what closes thinking-off prompts
)
HIDDEN = 320  # the vocabulary, 264, padded to 64: one hidden dimension per token
LAYERS, HEADS, KV_HEADS, HEAD_DIM, MLP = 2, 4, 2, 32, 64
CONTEXT = 32_768
NEVER = -1000.0


def ensure_demo_model(folder: Path | None = None) -> Path:
    """Return the folder of the demo checkpoint, making it if absent; safe in several processes."""
    if folder is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        digest = hashlib.sha256(f"{VERSION} {SEED} {_template()}".encode()).hexdigest()
        folder = cache / "thinkgate" / f"demo-{digest[:12]}"
    if (folder / "config.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".demo-") as scratch:
        made = Path(scratch) / "model"
        made.mkdir()
        _write(made)
        try:
            os.replace(made, folder)
        except OSError:
            # Another process was first: its files are the same bytes.
            if not (folder / "config.json").is_file():
                raise
    return folder


def _template() -> str:
    return Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")


def _write(folder: Path) -> None:
    from safetensors.torch import save

    tokenizer = _tokenizer()
    vocab: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    ids = dict(sorted(vocab.items()))  # the tokenizer gives another order each time
    stops = [ids["<|im_end|>"], ids["<|endoftext|>"]]
    tokenizer.save(str(folder / "tokenizer.json"))
    # Not save_file, which makes the file readable by its owner alone.
    (folder / "model.safetensors").write_bytes(save(_weights(ids), metadata={"format": "pt"}))
    (folder / "chat_template.jinja").write_text(_template(), encoding="utf-8")
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "additional_special_tokens": SPECIAL[1:],
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
    }
    sampling = {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20}
    for name, content in {
        "tokenizer_config.json": tokenizer_config,
        "generation_config.json": sampling | {"eos_token_id": stops, "pad_token_id": stops[1]},
        "config.json": _config() | {"eos_token_id": stops[0], "pad_token_id": stops[1]},
    }.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _config() -> dict[str, Any]:
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "dtype": "bfloat16",
        "vocab_size": HIDDEN,
        "hidden_size": HIDDEN,
        "intermediate_size": MLP,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "rope_theta": 1_000_000.0,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": False,
    }


def _tokenizer() -> Tokenizer:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocab = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocab[PARAGRAPH] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[("Ċ", "Ċ")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in TAGS])
    return tokenizer


def _weights(ids: dict[str, int]) -> dict[str, Tensor]:
    import torch

    generator = torch.Generator().manual_seed(SEED)

    def noise(rows: int, columns: int) -> Tensor:
        return (torch.randn(rows, columns, generator=generator) * 0.02).bfloat16()

    # One-hot embeddings, and layers that add nothing: the last norm sees the current token alone
    # and scales it back to 1, so each column of the head is that token's row of the table.
    half = torch.bfloat16
    weights = {
        "model.embed_tokens.weight": torch.eye(HIDDEN, dtype=half),
        "model.norm.weight": torch.full((HIDDEN,), HIDDEN**-0.5, dtype=half),
        "lm_head.weight": torch.tensor(_table(ids), dtype=half).T.contiguous(),
    }
    for layer in (f"model.layers.{i}" for i in range(LAYERS)):
        weights |= {
            f"{layer}.input_layernorm.weight": torch.ones(HIDDEN, dtype=half),
            f"{layer}.post_attention_layernorm.weight": torch.ones(HIDDEN, dtype=half),
            f"{layer}.self_attn.q_norm.weight": torch.ones(HEAD_DIM, dtype=half),
            f"{layer}.self_attn.k_norm.weight": torch.ones(HEAD_DIM, dtype=half),
            f"{layer}.self_attn.q_proj.weight": noise(HEADS * HEAD_DIM, HIDDEN),
            f"{layer}.self_attn.k_proj.weight": noise(KV_HEADS * HEAD_DIM, HIDDEN),
            f"{layer}.self_attn.v_proj.weight": noise(KV_HEADS * HEAD_DIM, HIDDEN),
            f"{layer}.self_attn.o_proj.weight": torch.zeros(HIDDEN, HEADS * HEAD_DIM, dtype=half),
            f"{layer}.mlp.gate_proj.weight": noise(MLP, HIDDEN),
            f"{layer}.mlp.up_proj.weight": noise(MLP, HIDDEN),
            f"{layer}.mlp.down_proj.weight": torch.zeros(HIDDEN, MLP, dtype=half),
        }
    return weights


def _table(ids: dict[str, int]) -> list[list[float]]:
    """Logits of the next token by current token; the alphabet in use is the only memory."""
    rng = random.Random(SEED)
    lower, upper = string.ascii_lowercase + "Ġ", string.ascii_uppercase + "_"  # last: the gaps
    thinking, answering = rng.sample(lower, 27), rng.sample(upper, 27)
    table = [[NEVER] * HIDDEN for _ in range(HIDDEN)]

    def babble(current: str, symbols: Sequence[str], favourite: str, ending: str = "") -> None:
        row = table[ids[current]] = _background(ids, rng)
        for symbol in rng.sample(symbols, 17):
            row[ids[symbol]] = rng.uniform(-0.6, 0.6)
        if ending:
            row[ids[ending]] = -0.05 if ending == "</think>" else 0.3
            row[ids[symbols[-1]]] = NEVER if current == symbols[-1] else 0.6
        # Favourites lead through the whole alphabet to its ending: greedy decoding terminates.
        row[ids[favourite]] = 0.9

    for current in ids:
        babble(current, upper[:-1], answering[0])
    for current, favourite in zip(thinking, [*thinking[1:], "</think>"], strict=True):
        babble(current, lower, favourite, "</think>")
    for current, favourite in zip(answering, [*answering[1:], "."], strict=True):
        babble(current, upper, favourite, ".")
    babble("<think>", lower[:-1], thinking[0])
    table[ids["Ċ"]][ids["<think>"]] = 20.0
    table[ids["</think>"]][ids[PARAGRAPH]] = 20.0
    table[ids["."]][ids["<|im_end|>"]] = 6.5
    table[ids["."]][ids['"']] = 3.5  # lets a JSON string end where a grammar forbids <|im_end|>
    return table


def _background(ids: dict[str, int], rng: random.Random) -> list[float]:
    """Tokens nobody asked for, ranked so that JSON under a grammar ends soon; padding never."""
    row = [NEVER] * HIDDEN

    def level(symbols: Iterable[str], logit: float) -> None:
        for symbol in symbols:
            row[ids[symbol]] = logit + rng.uniform(-1, 1)

    level(ids, -35)
    level(["Ġ", "ĉ", "č", "Ċ", PARAGRAPH], -45)
    for symbols, logit in ((string.digits, -19), ('"{[:', -16), (",", -13), ("}]", -10)):
        level(symbols, logit)
    row[ids["<|endoftext|>"]] = row[ids["<|im_start|>"]] = NEVER
    return row
