"""What tests of several of the gateway's rooms share."""

import asyncio

import pytest

from gateway.http.protocol import BoundedHttpProtocol


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[BoundedHttpProtocol]:
    """The server's ends of all connections, in the order in which they were made."""
    found = []
    made = BoundedHttpProtocol.connection_made

    def connection_made(self: BoundedHttpProtocol, transport: asyncio.BaseTransport) -> None:
        made(self, transport)
        found.append(self)

    monkeypatch.setattr(BoundedHttpProtocol, "connection_made", connection_made)
    return found
