"""The vLLM surface that this package stands on, checked once at start.

Where supported versions (0.32 and 0.33) come to differ, the difference is resolved here by looking
at what is there, never by comparing version numbers.
"""

import importlib
import inspect
from typing import Any

from engine.errors import EngineStartError

_NAMES = (
    "vllm.engine.arg_utils:AsyncEngineArgs.create_engine_config",
    "vllm.exceptions:GracefulHTTPError",
    "vllm.exceptions:VLLMClientError",
    "vllm.exceptions:VLLMValidationError",
    "vllm.inputs:tokens_input",
    "vllm.renderers:ChatParams",
    "vllm.renderers:TokenizeParams",
    "vllm.renderers.hf:resolve_chat_template",
    "vllm.renderers.inputs.preprocess:parse_model_prompt",
    "vllm.sampling_params:RequestOutputKind.DELTA",
    "vllm.sampling_params:SamplingParams.from_optional",
    "vllm.tool_parsers:ToolParserManager.get_tool_parser",
    "vllm.usage.usage_lib:UsageContext.OPENAI_API_SERVER",
    "vllm.v1.engine.async_llm:AsyncLLM.abort",
    "vllm.v1.engine.async_llm:AsyncLLM.add_request",
    "vllm.v1.engine.async_llm:AsyncLLM.from_vllm_config",
    "vllm.v1.engine.async_llm:AsyncLLM.shutdown",
    "vllm.v1.engine.core_client:AsyncMPClient.get_output_async",
    "vllm.v1.engine.exceptions:EngineDeadError",
    "vllm.v1.engine.output_processor:OutputProcessor.propagate_error",
    "vllm.v1.engine.output_processor:RequestOutputCollector.get_nowait",
)

_PARAMETERS = {
    "vllm.v1.engine.async_llm:AsyncLLM.add_request": {"request_id", "prompt", "params"},
    "vllm.v1.engine.async_llm:AsyncLLM.abort": {"request_id", "internal"},
    "vllm.v1.engine.async_llm:AsyncLLM.shutdown": {"timeout"},
}


def check() -> None:
    """Look for everything this package uses of vLLM.

    Raises:
        EngineStartError: something is not there; the message lists all that is missing.
    """
    missing = []
    for name in _NAMES:
        found = _resolve(name)
        if found is None:
            missing.append(name)
        elif name in _PARAMETERS:
            lacking = _PARAMETERS[name] - set(inspect.signature(found).parameters)
            missing.extend(f"{name}({parameter})" for parameter in sorted(lacking))
    if missing:
        raise EngineStartError(
            "this vLLM lacks what thinkgate stands on (0.32 and 0.33 have it): "
            + ", ".join(missing)
        )


def _resolve(name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ImportError:
        return None
    for part in path.split("."):
        found = getattr(found, part, None)
    return found
