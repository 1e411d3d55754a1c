"""Makes the demo model: text from a script, a tokenizer and two networks from that text.

Not part of the product: it is run from a checkout and is not in the wheel.
"""
