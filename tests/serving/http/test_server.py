"""The parts behind the routes: which version answers, what is refused, and the order of a stop."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from regrow.base.errors import Unavailable
from regrow.serving.http.responses import Refused
from regrow.serving.log.set_aside import SetAside
from regrow.serving.predict.versions import TrafficSplit


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


def test_a_model_that_is_not_served_is_refused_with_those_that_are(
    make_server: Callable[..., Any], served: Callable[..., Any], follows: Callable[..., Any]
):
    """A wrong name is a 404 that lists the right ones."""
    split = TrafficSplit(served(3))
    server = make_server(b=follows(split), a=follows())
    assert server.split("b") is split
    with pytest.raises(Refused, match="'c' is not served here; served: a, b") as error:
        server.split("c")
    assert (error.value.status, error.value.code) == (404, "unknown_model")
    with pytest.raises(Refused, match="served: none yet"):
        make_server().split("c")


@pytest.mark.parametrize(
    ("problem", "error", "said"),
    [
        ("its files are gone", "registry down", "its files are gone"),
        (None, "registry down", "registry down"),
        (None, None, "its champion is being loaded"),
    ],
)
def test_a_model_that_does_not_answer_yet_says_why(
    make_server: Callable[..., Any], follows: Callable[..., Any], problem: Any, error: Any, said: Any
):
    """Before its first champion a model is a 503, with the nearest reason that is known."""
    with pytest.raises(Unavailable, match=f"does not answer yet: {said}") as refused:
        make_server(error, demo=follows(problem=problem)).split("demo")
    assert refused.value.code == "no_champion"


def test_a_version_is_found_if_it_is_in_memory(
    make_server: Callable[..., Any], served: Callable[..., Any], follows: Callable[..., Any]
):
    """Champion, challenger and those kept in memory can be asked for by number; the refusal lists them."""
    three, four, two = served(3), served(4), served(2)
    server = make_server(demo=follows(TrafficSplit(three, challenger=four), kept=(two, three)))
    assert [server.version("demo", number) for number in (2, 3, 4)] == [two, three, four]
    with pytest.raises(Refused, match="version 9 of 'demo' is not in memory; loaded: 2, 3, 4") as error:
        server.version("demo", 9)
    assert (error.value.status, error.value.code) == (404, "unknown_version")


def test_the_gauges_are_set_when_somebody_looks(
    make_server: Callable[..., Any], served: Callable[..., Any], follows: Callable[..., Any]
):
    """What the parts know is in the metrics after `observe`, and not before."""
    server = make_server()
    names = ("regrow_folded_rows", "regrow_journal_bytes", "regrow_registry_age_seconds")
    read = lambda: [server.metrics.registry.get_sample_value(name) for name in names]  # noqa: E731
    assert read() == [0, 0, 0]
    server.observe()
    assert read() == [7, 99, 2.5]


def test_rows_that_are_set_aside_are_counted_until_they_are_moved_away(
    make_server: Callable[..., Any],
):
    """The gauge by model is what lies there, also after a restart, and falls to zero with it."""
    server = make_server()
    server.journals.set_aside = {"demo": SetAside(3, "its checksum differs", Path("journal/demo/damaged"))}
    read = lambda: server.metrics.registry.get_sample_value("regrow_set_aside_rows", {"model": "demo"})  # noqa: E731
    server.observe()
    assert read() == 3
    server.journals.set_aside = {}
    server.observe()
    assert read() == 0


async def test_a_stop_ends_the_threads_before_the_last_flush(
    make_server: Callable[..., Any], served: Callable[..., Any], follows: Callable[..., Any]
):
    """Nobody follows or predicts any more when the journal is flushed for the last time; each model has one traffic."""
    server = make_server(demo=follows())
    traffic = server.traffic("demo")
    assert server.traffic("demo") is traffic
    assert server.problems() == []
    close = traffic.close

    async def closing():
        await close()
        server.told.append("traffic")

    traffic.close = closing
    await server.stop()
    assert server.told == ["follower", "traffic", "journals"]
    assert len(server.problems()) == 3
    assert all("has ended; restart the server" in problem for problem in server.problems())


async def test_a_large_body_is_read_beside_the_others(make_server: Callable[..., Any]):
    """A small body is read at once, a large one in a thread; what is wrong with it is raised all the same."""
    server, here = make_server(), threading.current_thread()
    assert await server.read(b"x", threading.current_thread) is here
    assert await server.read(b"x" * 100_000, threading.current_thread) is not here
    with pytest.raises(Refused, match="is not served here"):
        await server.read(b"x" * 100_000, partial(server.split, "wrong"))
