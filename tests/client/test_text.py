"""What strangers may say to a terminal."""

from client.text import one_line, printable


def test_escape_codes_lose_their_power() -> None:
    """No control character is left, C0, DEL or C1; new lines, tabs and all scripts are."""
    assert printable("a\x1b[2Jb\x07\r\x7f\x9b31m\n\tc 你好 🙂") == "a[2Jb31m\n\tc 你好 🙂"


def test_one_line_is_one_line() -> None:
    """Line ends of every kind become spaces."""
    assert one_line(" a\r\nb\x85\n\n\x1b]0;c\x07 ") == "a b ]0;c"
