"""The vLLM surface that this package stands on, checked once at start.

Where supported versions (0.32 and 0.33) come to differ, the difference is resolved here by looking
at what is there, never by comparing version numbers.
"""

import importlib
import inspect
from typing import Any

from engine.errors import EngineStartError

_NAMES = (
    "vllm.config:ModelConfig.get_diff_sampling_param",
    "vllm.config:ModelConfig.get_vocab_size",
    "vllm.engine.arg_utils:AsyncEngineArgs.create_engine_config",
    "vllm.envs:enable_envs_cache",
    "vllm.exceptions:GracefulHTTPError",
    "vllm.exceptions:VLLMClientError",
    "vllm.exceptions:VLLMValidationError",
    "vllm.inputs:tokens_input",
    "vllm.renderers:ChatParams",
    "vllm.renderers:renderer_from_config",
    "vllm.renderers.base:BaseRenderer.render_chat_async",
    "vllm.renderers.base:BaseRenderer.render_cmpl_async",
    "vllm.renderers.base:BaseRenderer.shutdown",
    "vllm.renderers.base:BaseRenderer.stat_mm_cache",
    "vllm.renderers.hf:resolve_chat_template",
    "vllm.renderers.inputs.preprocess:parse_model_prompt",
    "vllm.sampling_params:RequestOutputKind.DELTA",
    "vllm.sampling_params:SamplingParams.clone",
    "vllm.sampling_params:SamplingParams.from_optional",
    "vllm.tokenizers.detokenizer_utils:detokenize_incrementally",
    "vllm.tool_parsers:ToolParserManager.get_tool_parser",
    "vllm.usage.usage_lib:UsageContext.OPENAI_API_SERVER",
    "vllm.v1.engine:EngineCoreOutput.finish_reason",
    "vllm.v1.engine:EngineCoreOutput.new_token_ids",
    "vllm.v1.engine:EngineCoreOutput.prefill_stats",
    "vllm.v1.engine:EngineCoreOutput.request_id",
    "vllm.v1.engine:EngineCoreOutputs.engine_index",
    "vllm.v1.engine:EngineCoreOutputs.outputs",
    "vllm.v1.engine:EngineCoreOutputs.scheduler_stats",
    "vllm.v1.engine:EngineCoreOutputs.timestamp",
    "vllm.v1.engine:FinishReason.LENGTH",
    "vllm.v1.engine:FinishReason.STOP",
    "vllm.v1.engine.async_llm:AsyncLLM.check_admission",
    "vllm.v1.engine.async_llm:AsyncLLM.errored",
    "vllm.v1.engine.async_llm:AsyncLLM.from_vllm_config",
    "vllm.v1.engine.async_llm:AsyncLLM.get_supported_tasks",
    "vllm.v1.engine.async_llm:AsyncLLM.shutdown",
    "vllm.v1.engine.core_client:AsyncMPClient.abort_requests_async",
    "vllm.v1.engine.core_client:AsyncMPClient.add_request_async",
    "vllm.v1.engine.core_client:AsyncMPClient.get_output_async",
    "vllm.v1.engine.core_client:MPClient.start_engine_core_monitor",
    "vllm.v1.engine.exceptions:EngineDeadError",
    "vllm.v1.engine.input_processor:InputProcessor.process_inputs",
    "vllm.v1.engine.utils:EngineZmqListeners.cleanup",
    "vllm.v1.engine.utils:bind_engine_zmq_listeners",
    "vllm.v1.engine.utils:launch_core_engines",
    "vllm.v1.executor:Executor.get_class",
    "vllm.v1.metrics.loggers:LoggingStatLogger",
    "vllm.v1.metrics.loggers:PerEngineStatLoggerAdapter",
    "vllm.v1.metrics.loggers:PrometheusStatLogger",
    "vllm.v1.metrics.loggers:StatLoggerManager.record",
    "vllm.v1.metrics.stats:IterationStats.update_from_finished_request",
    "vllm.v1.metrics.stats:IterationStats.update_from_output",
    "vllm.v1.metrics.stats:LoRARequestStates",
    "vllm.v1.metrics.stats:PrefillStats.num_cached_tokens",
    "vllm.v1.metrics.stats:RequestStateStats.first_token_latency",
    "vllm.v1.metrics.stats:RequestStateStats.num_generation_tokens",
    "vllm.v1.metrics.stats:RequestStateStats.queued_ts",
    "vllm.v1.metrics.stats:RequestStateStats.scheduled_ts",
    "vllm.v1.metrics.stats:SchedulerStats.num_running_reqs",
    "vllm.v1.metrics.stats:SchedulerStats.num_skipped_waiting_reqs",
    "vllm.v1.metrics.stats:SchedulerStats.num_waiting_reqs",
)

_PARAMETERS = {
    "vllm.v1.engine.async_llm:AsyncLLM.from_vllm_config": {"client_addresses"},
    "vllm.v1.engine.async_llm:AsyncLLM.shutdown": {"timeout"},
    "vllm.v1.engine.input_processor:InputProcessor.process_inputs": {
        *("request_id", "prompt", "params", "supported_tasks", "arrival_time"),
    },
    "vllm.v1.metrics.loggers:StatLoggerManager.record": {
        *("scheduler_stats", "iteration_stats", "mm_cache_stats", "engine_idx"),
    },
    "vllm.v1.metrics.stats:IterationStats.update_from_finished_request": {
        *("finish_reason", "request_id", "num_prompt_tokens", "max_tokens_param"),
        *("req_stats", "num_cached_tokens"),
    },
    "vllm.v1.metrics.stats:IterationStats.update_from_output": {
        *("output", "engine_core_timestamp", "is_prefilling", "req_stats", "lora_states"),
        "lora_name",
    },
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
