"""The Qwen3 architecture in plain PyTorch: the names of its parameters are those of the files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from tools.demo_model.tokenizer import CONTEXT, SIZE

_BLOCK = 128
_EPSILON = 1e-6

Mask = BlockMask | Tensor
"""Which positions a position sees: blocks on a GPU, all pairs elsewhere."""

Cache = list[tuple[Tensor, Tensor]]
"""Keys and values of each layer."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a network; heads have 64 dimensions, and keys and values half the heads."""

    hidden: int
    layers: int
    heads: int
    keys: int
    inner: int

    head: int = 64
    theta: float = 10_000.0

    def config(self, end: int, padding: int) -> dict[str, Any]:
        """What `config.json` says; the arguments are ids of tokens."""
        return {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "dtype": "bfloat16",
            "vocab_size": SIZE,
            "hidden_size": self.hidden,
            "intermediate_size": self.inner,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.keys,
            "head_dim": self.head,
            "hidden_act": "silu",
            "rms_norm_eps": _EPSILON,
            "rope_theta": self.theta,
            "max_position_embeddings": CONTEXT,
            "tie_word_embeddings": True,
            "eos_token_id": end,
            "pad_token_id": padding,
        }


MODEL = Shape(hidden=256, layers=6, heads=4, keys=2, inner=320)
DRAFT = Shape(hidden=128, layers=3, heads=2, keys=1, inner=384)


class Attention(nn.Module):
    """Grouped attention with rotary positions and normed queries and keys."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.q_proj = nn.Linear(shape.hidden, shape.heads * shape.head, bias=False)
        self.k_proj = nn.Linear(shape.hidden, shape.keys * shape.head, bias=False)
        self.v_proj = nn.Linear(shape.hidden, shape.keys * shape.head, bias=False)
        self.o_proj = nn.Linear(shape.heads * shape.head, shape.hidden, bias=False)
        self.q_norm = nn.RMSNorm(shape.head, _EPSILON)
        self.k_norm = nn.RMSNorm(shape.head, _EPSILON)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Mask, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return what was attended to, and the keys and values so far."""
        rows, length, _ = x.shape
        split = (rows, length, -1, self.shape.head)
        q = _turned(self.q_norm(self.q_proj(x).view(split)).transpose(1, 2), turn)
        k = _turned(self.k_norm(self.k_proj(x).view(split)).transpose(1, 2), turn)
        v = self.v_proj(x).view(split).transpose(1, 2)
        q, k = q.to(v.dtype), k.to(v.dtype)
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        if isinstance(mask, BlockMask):
            seen = flex_attention(q, k, v, block_mask=mask, enable_gqa=True)
            assert isinstance(seen, Tensor)
        else:
            seen = functional.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)
        return self.o_proj(seen.transpose(1, 2).reshape(rows, length, -1)), (k, v)


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = turn
    one, other = x.float().chunk(2, -1)
    return torch.cat((one * cos - other * sin, other * cos + one * sin), -1).to(x.dtype)


class Mlp(nn.Module):
    """The gated perceptron: SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        done: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return done


class Layer(nn.Module):
    """Attention and perceptron, each behind a norm and beside a short cut."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.hidden, _EPSILON)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden, _EPSILON)
        self.mlp = Mlp(shape)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Mask, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        seen, now = self.self_attn(self.input_layernorm(x), turn, mask, past)
        x = x + seen
        return x + self.mlp(self.post_attention_layernorm(x)), now


class Network(nn.Module):
    """The whole network; the embedding is also the head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(SIZE, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, _EPSILON)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                last = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * shape.layers) ** (0.5 * last))

    def forward(
        self, tokens: Tensor, positions: Tensor, mask: Mask, past: Cache | None = None
    ) -> tuple[Tensor, Cache]:
        """Return the logits of what follows each token, and keys and values so far."""
        steps = torch.arange(0, self.shape.head, 2, device=tokens.device) / self.shape.head
        angles = positions[:, None, :, None].float() * self.shape.theta**-steps
        turn = (angles.cos(), angles.sin())
        x = self.embed_tokens(tokens)
        cache: Cache = []
        for i, layer in enumerate(self.layers):
            x, now = layer(x, turn, mask, None if past is None else past[i])
            cache.append(now)
        return functional.linear(self.norm(x), self.embed_tokens.weight), cache

    def loss(self, tokens: Tensor, targets: Tensor, conversations: Tensor) -> Tensor:
        """How surprising the targets are; each conversation sees only itself."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)[None]
        mask = block_mask(conversations) if tokens.is_cuda else pair_mask(conversations)
        logits, _ = self(tokens, positions, mask)
        return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def pair_mask(conversations: Tensor) -> Tensor:
    """Return, for rows of conversations by number, which pairs of positions see each other."""
    same = conversations[:, :, None] == conversations[:, None, :]
    return same.tril()[:, None]


def block_mask(conversations: Tensor) -> BlockMask:
    """The same for a GPU, without writing down all pairs: numbers never fall along a row."""

    def visible(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (conversations[row, query] == conversations[row, key])

    rows, length = conversations.shape
    blocks = conversations.view(rows, length // _BLOCK, _BLOCK)
    first, last = blocks[:, :, 0], blocks[:, :, -1]
    meets = (last[:, None, :] >= first[:, :, None]).tril()[:, None]
    count = meets.sum(-1, dtype=torch.int32)
    order = meets.int().argsort(dim=-1, descending=True, stable=True).int()
    return BlockMask.from_kv_blocks(count, order, BLOCK_SIZE=_BLOCK, mask_mod=visible)


def write_network(network: Network, folder: Path, end: int, padding: int) -> None:
    """Write weights, rounded, and configuration as a checkpoint."""
    weights = {f"model.{name}": rounded(w) for name, w in network.state_dict().items()}
    # Not save_file, which makes the file readable by its owner alone.
    (folder / "model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))
    sampling = {"do_sample": True, "temperature": 0.3, "top_p": 0.95, "top_k": 20}
    ends = {"eos_token_id": [end, padding], "pad_token_id": padding}
    for name, content in {
        "config.json": network.shape.config(end, padding),
        "generation_config.json": sampling | ends,
    }.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def rounded(weight: Tensor) -> Tensor:
    """Return it in bf16, whose two lowest bits are left 0: a checkout packs to a sixth less."""
    bits = weight.detach().cpu().bfloat16().contiguous().view(torch.int16).int()
    return ((bits + 2) & -4).to(torch.int16).view(torch.bfloat16)


def load_network(folder: Path, shape: Shape) -> Network:
    """Load a checkpoint as it was written, in float32."""
    network = Network(shape)
    weights = load_file(folder / "model.safetensors")
    network.load_state_dict({n.removeprefix("model."): w.float() for n, w in weights.items()})
    return network.eval()
