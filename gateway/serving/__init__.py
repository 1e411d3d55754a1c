"""From an accepted request to its reply: the engine's life, who may run, a run, its choices."""
