"""`/v1/models`: one card for every name."""

import openai
import pytest

from tests.conftest import RunServer
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

NAMES = 'model.names=["big", "org/alias"]'


async def test_every_name_has_a_card(run_server: RunServer) -> None:
    """Aliases are models of their own; all have the same root."""
    async with run_server(FakeEngine(), NAMES) as running:
        async with running.openai() as client:
            names = [card.id async for card in client.models.list()]
        cards = (await running.ask("GET", "/v1/models")).json()["data"]
    assert names == [card["id"] for card in cards] == ["big", "org/alias"]
    for card in cards:
        assert card.keys() == {
            *("id", "object", "created", "owned_by", "root", "parent", "max_model_len"),
        }
        assert (card["object"], card["root"], card["parent"]) == ("model", "big", None)
        assert card["max_model_len"] == 4096


@pytest.mark.parametrize("name", ["big", "org/alias", "big:hidden", "org/alias:nothink:raw"])
async def test_a_card_by_its_name(run_server: RunServer, name: str) -> None:
    """A name with a slash, or with suffixes, is found too."""
    async with run_server(FakeEngine(), NAMES) as running, running.openai("/hidden/v1") as client:
        assert (await client.models.retrieve(name)).id == name


@pytest.mark.parametrize("name", ["small", "big:loud", "hidden", "big/hidden"])
async def test_an_unknown_name(run_server: RunServer, name: str) -> None:
    """404, with the names that are served, and without the one that was sent."""
    async with run_server(FakeEngine(), NAMES) as running:
        async with running.openai() as client:
            with pytest.raises(openai.NotFoundError) as caught:
                await client.models.retrieve(name)
        answer = await running.ask("GET", f"/v1/models/{name}")
    assert caught.value.code == "model_not_found"
    assert answer.error()["param"] == "model"
    assert answer.error()["message"] == (
        "The requested model is not served here. Served: big, org/alias."
    )
