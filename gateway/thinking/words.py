"""The words for thinking that path prefixes and model suffixes take."""

from collections.abc import Mapping
from typing import Literal

Visibility = Literal["parsed", "hidden", "raw"]
"""What leaves the house. `parsed`: thinking in its own field; `hidden`: not at all; `raw`: the text
as generated, marks and all."""

VISIBILITY_WORDS: Mapping[str, Visibility] = {"parsed": "parsed", "hidden": "hidden", "raw": "raw"}
SWITCH_WORDS: Mapping[str, bool] = {"think": True, "nothink": False}
WORDS = frozenset({*VISIBILITY_WORDS, *SWITCH_WORDS})
