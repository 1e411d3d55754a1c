"""Base URLs, and what is made of them."""

from urllib.parse import urlsplit

import pytest

from client.openai.errors import ClientError
from client.openai.urls import page_url, parse_base_url


@pytest.mark.parametrize(
    ("given", "base", "page"),
    [
        ("https://host", "https://host", "https://host/metrics"),
        ("https://host/", "https://host", "https://host/metrics"),
        ("https://host:8443", "https://host:8443", "https://host:8443/metrics"),
        ("http://host/v1", "http://host/v1", "http://host/metrics"),
        ("http://host:8000/v1/", "http://host:8000/v1", "http://host:8000/metrics"),
        ("http://host/a/b/v1//", "http://host/a/b/v1", "http://host/a/b/metrics"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1", "http://[::1]:8000/metrics"),
        ("https://[fd00::1]", "https://[fd00::1]", "https://[fd00::1]/metrics"),
        ("HTTPS://Host/v1", "https://Host/v1", "https://Host/metrics"),
    ],
)
def test_pages_stand_beside_the_api(given: str, base: str, page: str) -> None:
    """A page takes the place of the path's last part, and is at the base URL's own host."""
    assert parse_base_url(given) == base
    assert page_url(base, "/metrics") == page
    assert urlsplit(page).netloc == urlsplit(given).netloc


@pytest.mark.parametrize(
    "given",
    [
        "", "host", "host:8000/v1", "ftp://host/v1", "https:/", "https://", "http:///v1",
        "http://:8000/v1", "http://[::1/v1", "http://host:0/v1", "http://host:99999/v1",
        "http://host/v1?reasoning=hidden", "http://host/v1#top",
    ],
)  # fmt: skip
def test_what_is_no_base_url_is_refused(given: str) -> None:
    """It is named, since a route behind it would lead somewhere else."""
    with pytest.raises(ClientError, match="URL") as caught:
        parse_base_url(given)
    assert repr(given) in str(caught.value)
