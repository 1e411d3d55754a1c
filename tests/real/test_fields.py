"""What `[engine]` may hold, against vLLM itself."""

import json
import subprocess
import sys

from engine.settings import engine_fields

NAMES = """
import dataclasses, json
from vllm.engine.arg_utils import AsyncEngineArgs
print(json.dumps([field.name for field in dataclasses.fields(AsyncEngineArgs)]))
"""


def test_the_fields_are_those_of_vllm() -> None:
    """Reading vLLM's source finds exactly the public fields that importing it does."""
    # A process of its own: vLLM warns while it is imported, and warnings are errors here.
    shown = subprocess.run(
        [sys.executable, "-c", NAMES], capture_output=True, text=True, check=True
    )
    names = json.loads(shown.stdout.splitlines()[-1])
    assert engine_fields() == {name for name in names if not name.startswith("_")}
