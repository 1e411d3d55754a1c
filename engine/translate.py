"""vLLM's exceptions as ours."""

import logging

from vllm.exceptions import GracefulHTTPError, VLLMClientError, VLLMValidationError
from vllm.v1.engine.exceptions import EngineDeadError

from engine.errors import BadGeneration, EngineBusy, EngineDead, EngineError, EngineFailure

_log = logging.getLogger("thinkgate.engine")


def translate(error: Exception) -> EngineError:
    """Say whose fault it is; one that vLLM does not explain is logged, and is ours."""
    match error:
        case EngineDeadError():
            return EngineDead("the engine has died")
        case VLLMValidationError():
            return BadGeneration(str(error.args[0]), error.parameter)
        case VLLMClientError():
            return BadGeneration(str(error))
        case GracefulHTTPError():
            return EngineBusy("the engine's queue is full")
        case _:
            _log.exception("the engine failed on a request", exc_info=error)
            return EngineFailure("the engine failed on this request")
