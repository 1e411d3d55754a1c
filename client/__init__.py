"""Clients of any OpenAI-compatible server: chat, evaluation and benchmark; they need no vLLM."""
