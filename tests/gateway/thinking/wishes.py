"""Helpers of the tests that ask for thinking."""

import msgspec
import pytest

from gateway.api.bodies import ChatBody
from gateway.http.errors import InvalidRequest
from gateway.thinking.wish import Surroundings, resolve


def user(content):
    """One user message, as the only one."""
    return [{"role": "user", "content": content}]


def settle(fields, *, visibility="parsed", switch=None, **around):
    """Resolve a body with these fields, and what surrounds it."""
    around = {"query": {}, "header": None, "prefix": (), "suffix": (), **around}
    around["query"] = {name: _listed(said) for name, said in around["query"].items()}
    around["header"] = _listed(around["header"])
    body = msgspec.convert({"messages": user("Hello"), **fields}, ChatBody)
    return resolve(body, Surroundings(visibility=visibility, switch=switch, **around))


def _listed(said):
    if said is None:
        return []
    return said if isinstance(said, list) else [said]


def refusal(fields, **around):
    """The error that these fields and surroundings make."""
    with pytest.raises(InvalidRequest) as caught:
        settle(fields, **around)
    return caught.value
