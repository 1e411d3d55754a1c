"""The configuration's shape: every section with every default."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from parsers.families import FAMILIES

FORMATS = ("auto", *FAMILIES)
"""What `[thinking] format` may be."""

DEMO = "demo"
"""The path and the name of the embedded model."""

Count = Annotated[int, Meta(ge=1)]
VariableName = Annotated[str, Meta(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?\Z")]


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where we listen, who may come in, and how long we wait."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    root_path: str = ""
    api_keys_env: VariableName = "THINKGATE_API_KEYS"
    api_keys_file: str = ""
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 8 * 1024 * 1024
    ping_seconds: Annotated[float, Meta(gt=0)] = 15.0
    drain_seconds: Annotated[float, Meta(ge=0)] = 60.0


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which model, and the names clients know it by; the first one is canonical."""

    path: str = DEMO
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ThinkingConfig:
    """How thinking is recognised, shown and switched when a request does not say."""

    format: str = "auto"
    visibility: Literal["parsed", "hidden", "raw"] = "parsed"
    field: Literal["both", "reasoning_content", "reasoning"] = "both"
    default: Literal["auto", "on", "off"] = "auto"


@dataclass(frozen=True, slots=True)
class WarmupConfig:
    """What runs before the gateway says it is ready."""

    enabled: bool = True
    batch: Annotated[int, Meta(ge=0)] = 0
    max_tokens: Count = 8


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """What one request may ask for, and how many may run."""

    strict: bool = False
    max_n: Annotated[int, Meta(ge=1, le=128)] = 16
    max_prompts: Count = 64
    max_stop: Count = 16
    max_concurrent_requests: Count = 1024


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    """What is written to the log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    access: bool = True


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Who may read the metrics."""

    public: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the gateway is told; paths are absolute and `model.names` is never empty."""

    server: ServerConfig
    model: ModelConfig
    engine: Mapping[str, object]
    thinking: ThinkingConfig
    templates: Mapping[str, str]
    warmup: WarmupConfig
    limits: LimitsConfig
    logging: LoggingConfig
    metrics: MetricsConfig
