"""Readers of arguments that several commands share."""

import argparse
from collections.abc import Callable


def count(least: int) -> Callable[[str], int]:
    """Return what reads a whole number that is not less than `least`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
        return int(text)

    return read
