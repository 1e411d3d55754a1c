"""Real gateways: one for the session, and some that a test may ruin."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest

from tests.real.gateways import CHAT, CONTEXT, QUESTION, START_SECONDS, Gateway, Probed
from tests.real.replies import GREEDY, PROMPT, Choice, ask, sdk

NOTHINK = "{{ " + repr(f"{PROMPT}<think>\n\n</think>\n\n") + " }}"
"""A chat template that looks at nothing and never lets the model think."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the log of every gateway that a failed test has used."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Gateway):
                report.sections.append((f"log of {name}", value.log[-20_000:]))
    return report


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, list[Probed]]]:
    """The session's gateway, ready, and how it answered while it started."""
    folder = tmp_path_factory.mktemp("gateway")
    template = folder / "nothink.jinja"
    template.write_text(NOTHINK)
    sets = (f"engine.max_model_len={CONTEXT}", f"templates.nothink={template}")
    with Gateway(folder, *sets) as gateway:
        yield gateway, _watch(gateway)


def _watch(gateway: Gateway) -> list[Probed]:
    probed: list[Probed] = []
    with gateway.client() as client:
        while not probed or probed[-1][2] != 200:
            live, ready = client.get("/live"), client.get("/ready")
            chat = client.post(CHAT, json={"messages": QUESTION, "max_tokens": 1})
            probed.append((time.monotonic(), live.status_code, ready.status_code, chat))
            assert gateway.process.poll() is None, gateway.log
            assert time.monotonic() < gateway.started + START_SECONDS, gateway.log
            time.sleep(0.05)
    return probed


@pytest.fixture
def gateway(start: tuple[Gateway, list[Probed]]) -> Iterator[Gateway]:
    """The session's gateway; nothing may be left in its engine when a test ends."""
    gateway, _ = start
    yield gateway
    gateway.wait_until_idle()


@pytest.fixture(scope="session")
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Gateway]]:
    """One gateway for each test that ends one; started together, since a start is long."""
    with ExitStack() as stack:
        gateways = {
            name: stack.enter_context(Gateway(tmp_path_factory.mktemp(name), *sets))
            for name, sets in {
                "killed": (),
                "drained": ("server.drain_seconds=8",),
                "interrupted": (),
            }.items()
        }
        for gateway in gateways.values():
            gateway.wait_until_ready()
        yield gateways


@pytest.fixture
def killed(doomed: Mapping[str, Gateway]) -> Gateway:
    """A gateway whose engine may be killed."""
    return doomed["killed"]


@pytest.fixture
def drained(doomed: Mapping[str, Gateway]) -> Gateway:
    """A gateway that waits eight seconds for running requests."""
    return doomed["drained"]


@pytest.fixture
def interrupted(doomed: Mapping[str, Gateway]) -> Gateway:
    """A gateway that waits a minute for running requests."""
    return doomed["interrupted"]


@pytest.fixture(scope="session")
def whole(start: tuple[Gateway, object]) -> Choice:
    """The greedy reply to the question."""
    with sdk(start[0]) as client:
        return ask(client, False, **GREEDY).only
