"""vLLM's counters on a server's `/metrics` page: speculative decoding, prefix cache, tokens.

Counters of several engines or models on one page are added up, as `vllm bench serve` does.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from client.openai.errors import ClientError
from client.openai.server import Server

_NAMES = {
    "vllm:spec_decode_num_drafts_total": "drafts",
    "vllm:spec_decode_num_draft_tokens_total": "draft_tokens",
    "vllm:spec_decode_num_accepted_tokens_total": "accepted_tokens",
    "vllm:prefix_cache_queries_total": "prefix_queries",
    "vllm:prefix_cache_hits_total": "prefix_hits",
    "vllm:generation_tokens_total": "generated_tokens",
}
_PER_POSITION = "vllm:spec_decode_num_accepted_tokens_per_pos_total"


@dataclass(frozen=True, slots=True)
class Counters:
    """What was counted, since the server's start or during a run; in tokens unless said otherwise.

    Attributes:
        drafts: times that something was drafted.
        draft_tokens: drafted.
        accepted_tokens: drafted and accepted.
        accepted_per_position: place in the draft, from 0 -> accepted there.
        prefix_queries: looked up in the prefix cache.
        prefix_hits: found there.
        generated_tokens: generated for anybody.
    """

    drafts: float = 0.0
    draft_tokens: float = 0.0
    accepted_tokens: float = 0.0
    accepted_per_position: Mapping[int, float] = field(default_factory=dict)
    prefix_queries: float = 0.0
    prefix_hits: float = 0.0
    generated_tokens: float = 0.0

    def since(self, before: "Counters") -> "Counters":
        return Counters(
            self.drafts - before.drafts,
            self.draft_tokens - before.draft_tokens,
            self.accepted_tokens - before.accepted_tokens,
            {
                place: count - before.accepted_per_position.get(place, 0.0)
                for place, count in self.accepted_per_position.items()
            },
            self.prefix_queries - before.prefix_queries,
            self.prefix_hits - before.prefix_hits,
            self.generated_tokens - before.generated_tokens,
        )

    @property
    def acceptance_rate(self) -> float | None:
        """Accepted of drafted tokens, in percent; None if nothing was drafted."""
        return 100 * self.accepted_tokens / self.draft_tokens if self.draft_tokens > 0 else None

    @property
    def acceptance_length(self) -> float | None:
        """Tokens a step of the big model: those accepted, and its own one."""
        return 1 + self.accepted_tokens / self.drafts if self.drafts > 0 else None

    @property
    def acceptance_per_position(self) -> list[float]:
        """Share of the drafts that were accepted so far, place by place, from 0 to 1."""
        if self.drafts <= 0:
            return []
        return [count / self.drafts for _, count in sorted(self.accepted_per_position.items())]

    @property
    def prefix_hit_rate(self) -> float | None:
        """Prompt tokens found in the prefix cache, in percent; None if none was looked up."""
        return 100 * self.prefix_hits / self.prefix_queries if self.prefix_queries > 0 else None


def draft_fields(counters: Counters) -> dict[str, object]:
    """Return how drafts fared, under the names of `vllm bench serve`."""
    return {
        "spec_decode_acceptance_rate": counters.acceptance_rate,
        "spec_decode_acceptance_length": counters.acceptance_length,
        "spec_decode_num_drafts": int(counters.drafts),
        "spec_decode_draft_tokens": int(counters.draft_tokens),
        "spec_decode_accepted_tokens": int(counters.accepted_tokens),
        "spec_decode_per_position_acceptance_rates": counters.acceptance_per_position,
    }


def read_counters(page: str) -> Counters | None:
    """Return the counters on a page in Prometheus's text format; None if it has none of vLLM's.

    Raises:
        ValueError: it is something else.
    """
    counted: defaultdict[str, float] = defaultdict(float)
    places: defaultdict[int, float] = defaultdict(float)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == _PER_POSITION:
                places[int(sample.labels["position"])] += sample.value
            elif sample.name in _NAMES:
                counted[_NAMES[sample.name]] += sample.value
    return Counters(accepted_per_position=places, **counted) if counted else None


async def fetch_counters(server: Server) -> Counters | None:
    """Return a server's counters; None if it has no such page, or keeps it to itself."""
    try:
        return read_counters(await server.page("/metrics"))
    except (ClientError, ValueError, KeyError):
        return None
