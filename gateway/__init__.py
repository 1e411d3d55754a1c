"""HTTP. Knows Starlette; stands on engine (its vLLM-free names) and parsers."""
