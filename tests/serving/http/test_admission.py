"""What a request may cost, without a model behind it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from regrow.base.settings import Settings
from regrow.models.contract import Contract
from regrow.models.values import Column
from regrow.serving.processes import limits_of

TYPED = {"Content-Type": "text/x"}


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


async def test_requests_beyond_the_bound_are_told_to_come_again(
    make_application: Callable[..., Any], send: Callable[..., Any]
):
    """Of three requests at once two are answered, the third is a 429 with Retry-After; then there is room again."""
    refused = []
    app = make_application(count=lambda: refused.append(1))
    responses = await send(app, *[("/wait", {})] * 3)
    assert len(refused) == 1
    assert sorted(response.status_code for response in responses) == [200, 200, 429]
    refused = next(response for response in responses if response.status_code == 429)
    assert (refused.json()["error"], refused.headers["Retry-After"]) == ("overloaded", "1")
    assert (await send(app, ("/wait", {})))[0].status_code == 200


def test_rows_times_columns_are_bounded_as_bytes_are():
    """A narrow model takes as many rows as the limits say, one of a thousand columns as many as the bytes allow."""
    contracts = [
        Contract([Column(f"c{n}", "double", False) for n in range(count)]) for count in (0, 10, 1000)
    ]
    limits = limits_of(Settings(server_max_bytes=500_000, server_max_rows=2000))
    assert [limits.bounds(each).max_rows for each in contracts] == [2000, 2000, 500]


async def test_a_large_body_is_given_up_while_it_comes(
    make_application: Callable[..., Any], send: Callable[..., Any]
):
    """A body beyond the bound is a 413, by the length that its header tells or, without one, as soon as it is there."""
    read = []

    async def endless():
        while True:
            read.append(1)
            yield b"x" * 60

    bodies = (b"x" * 101, endless())
    told, untold = await send(
        make_application(), *(("/read", {"content": body, "headers": TYPED}) for body in bodies)
    )
    assert [told.status_code, untold.status_code] == [413, 413]
    assert told.json()["error"] == untold.json()["error"] == "body_too_large"
    assert len(read) < 5


async def test_a_body_of_another_type_is_refused_unread(
    make_application: Callable[..., Any], send: Callable[..., Any]
):
    """What a web page may send without asking, a body of no type among them, is a 415 that names the type it needs."""
    read = []

    async def body():
        read.append(1)
        yield b"x"

    given = (
        None,
        "",
        "text/plain",
        "text/plain; text/x",
        "application/x-www-form-urlencoded",
        "text/x, text/x",
    )
    headers = [{} if kind is None else {"Content-Type": kind} for kind in given]
    answers = await send(
        make_application(), *[("/read", {"content": body(), "headers": each}) for each in headers[:2]]
    )
    for each in headers[2:]:
        answers += await send(make_application(), ("/read", {"content": body(), "headers": each}))
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")
        assert "Content-Type: text/x" in answer.json()["message"]
    assert not read
    taken = {"content": b"x", "headers": {"Content-Type": "Text/X; charset=utf-8"}}
    assert (await send(make_application(), ("/read", taken)))[0].status_code == 200


async def test_a_slow_body_is_given_up(make_application: Callable[..., Any], send: Callable[..., Any]):
    """A client that does not send its body in time gets a 408 and holds nothing."""

    async def trickle():
        for _ in range(20):
            yield b"x"
            await asyncio.sleep(0.1)

    started = time.monotonic()
    response = (await send(make_application(), ("/read", {"content": trickle(), "headers": TYPED})))[0]
    assert (response.status_code, response.json()["error"]) == (408, "body_too_slow")
    assert time.monotonic() - started < 1.5
