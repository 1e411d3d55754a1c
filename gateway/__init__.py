"""HTTP. Knows Starlette; stands on engine (its vLLM-free names) and parsers."""

__version__ = "0.1.0"
