"""Text from strangers, made safe to show: escape codes can rewrite what a terminal says."""

_CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - {ord("\n"), ord("\t")})


def printable(text: str) -> str:
    """Return it without control characters, new lines and tabs apart."""
    return text.translate(_CONTROLS)


def one_line(text: str) -> str:
    """Return it printable and on one line."""
    return printable(" ".join(text.split()))
