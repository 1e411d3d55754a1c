"""One engine in a process of its own, for `thinkgate bench --engine`: prompts in, times out."""
