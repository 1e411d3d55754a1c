"""`gateway.serving.admission`: who may run, and when."""

import pytest

from gateway import metrics
from gateway.config.keys import ANONYMOUS
from gateway.http.errors import Unavailable
from gateway.serving.admission import Admission


def admission(limit=2, status="ready"):
    """An admission in this state."""
    made = Admission(limit)
    made.status = status
    return made


def refusals(code):
    """How many have been refused for this reason so far."""
    return metrics.REJECTIONS.labels(code)._value.get()


def refused(by):
    """The error that asking for a slot ends with."""
    running = by.running
    with pytest.raises(Unavailable) as caught, by.slot(ANONYMOUS):
        pass
    assert by.running == running
    assert (caught.value.status, caught.value.kind) == (503, "service_unavailable_error")
    assert int(caught.value.headers["Retry-After"]) > 0
    return caught.value


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("starting", "server_starting"),
        ("warming", "server_starting"),
        ("draining", "server_draining"),
        ("dead", "engine_dead"),
    ],
)
def test_nobody_runs_unless_it_is_ready(status, code):
    """Before and after, everybody is refused with the reason, and counted."""
    before = refusals(code)
    door = admission(status=status)

    assert refused(door).code == code
    with pytest.raises(Unavailable) as caught:
        door.check()
    assert caught.value.code == code
    assert refusals(code) == before + 2


def test_it_begins_refusing():
    """Nobody is let in by an admission that nobody has opened."""
    assert refused(Admission(1)).code == "server_starting"


def test_not_too_many():
    """At the limit the next one is refused, until one has left."""
    door, before = admission(limit=2), refusals("server_is_overloaded")
    with door.slot(ANONYMOUS):
        with door.slot(ANONYMOUS):
            error = refused(door)
            assert (error.code, door.running) == ("server_is_overloaded", 2)
            assert "2 requests" in error.message
        with door.slot(ANONYMOUS):
            assert door.running == 2
    assert door.running == 0
    assert refusals("server_is_overloaded") == before + 1


def test_asking_takes_no_slot():
    """What needs none is answered at the limit, too."""
    door = admission(limit=1)
    door.check()
    with door.slot(ANONYMOUS):
        door.check()
        assert door.running == 1


@pytest.mark.parametrize("error", [ValueError, BaseException])
def test_a_slot_is_given_back(error):
    """However a request ends."""
    door = admission(limit=1)
    for _ in range(3):
        with pytest.raises(error), door.slot(ANONYMOUS):
            raise error
    assert door.running == 0


def test_who_is_in_may_finish():
    """Draining refuses new ones and leaves those that run alone."""
    door = admission()
    with door.slot(ANONYMOUS):
        door.status = "draining"
        assert refused(door).code == "server_draining"
        assert door.running == 1
    assert door.running == 0
