"""How `ngram` looks for a draft, the same way in both engines.

The last `LONGEST` tokens are looked for in what was before them, then fewer, down to `SHORTEST`;
what followed them there is the draft. transformers has no lower bound but 1.
"""

SHORTEST = 1
LONGEST = 4
