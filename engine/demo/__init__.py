"""The embedded demo model, served as `demo`, and its draft sibling for speculative decoding.

Both are checkpoints like any other. `tools/demo_model` made them; `model/README.md` is their card.
"""

from pathlib import Path

MODEL = Path(__file__).with_name("model")
DRAFT = Path(__file__).with_name("draft")
