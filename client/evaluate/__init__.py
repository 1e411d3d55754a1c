"""`thinkgate eval`: how well a model answers a file of samples, and how fast."""
