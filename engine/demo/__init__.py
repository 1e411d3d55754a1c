"""The embedded demo model: a tiny checkpoint made on first use, served as `demo`."""

from engine.demo.model import ensure_demo_model

__all__ = ["ensure_demo_model"]
