"""One vLLM AsyncLLM. Knows vLLM; knows nothing of HTTP, JSON bodies or server-sent events."""
