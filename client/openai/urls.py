"""A base URL, and the addresses made from it: all of them at its own host, which gets the key."""

from urllib.parse import urlsplit, urlunsplit

from client.openai.errors import ClientError

BASE_URL = "http://127.0.0.1:8000/v1"


def parse_base_url(text: str) -> str:
    """Return a base URL without a slash at its end, so that a route can follow.

    Raises:
        ClientError: it is no http or https URL with a host, or has a query or a fragment, behind
            which no route can follow.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of a port, or of the brackets of IPv6
        usable = False
    if not usable:
        raise ClientError(f"{text!r} is not a URL like {BASE_URL}")
    if parts.query or parts.fragment:
        raise ClientError(f"{text!r} has a query or a fragment: a base URL ends with its path")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def page_url(base_url: str, page: str) -> str:
    """Return the address of a page beside the API: `/metrics` takes the place of `/v1`.

    Args:
        base_url: as `parse_base_url` returns it.
        page: a path that begins with a slash.
    """
    parts = urlsplit(base_url)
    path = parts.path.rpartition("/")[0] + page
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
