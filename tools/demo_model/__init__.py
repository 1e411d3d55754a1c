"""Makes the demo model: text from a script, a tokenizer and two networks from that text.

Not part of the product: it is run from a checkout's root and is not in the wheel.

How it works: `phrases/` holds all wordings; `phrases.py`, `words.py`, `values.py` and `codes.py`
fill them. A maker (`arithmetic.py`, `numbers.py`, `talk.py`, `objects.py`, or `calls.py` with
`tools.py`, `schemas.py` and `sentences.py`) writes one question, its thinking and its answer: a
`Task`. `conversation.py` draws a maker and puts a conversation around its task; `corpus.py` packs
conversations into batches of tokens; `__main__.py` trains `network.py` on them, and `evaluate.py`
measures it. All randomness comes from one `Random` that is handed down, so a seed is a text: the
order of draws is part of what was trained on.
"""
