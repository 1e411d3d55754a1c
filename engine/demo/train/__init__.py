"""Makes the demo model: text from a script, a tokenizer and two networks from that text."""
