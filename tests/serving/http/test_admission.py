"""What a request may cost, without a model behind it."""

import asyncio
import time

import pytest


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


async def test_requests_beyond_the_bound_are_told_to_come_again(make_application, send):
    """Of three requests at once two are answered, the third is a 429 with Retry-After; then there is room again."""
    refused = []
    app = make_application(count=lambda: refused.append(1))
    responses = await send(app, *[("/wait", {})] * 3)
    assert len(refused) == 1
    assert sorted(response.status_code for response in responses) == [200, 200, 429]
    refused = next(response for response in responses if response.status_code == 429)
    assert (refused.json()["error"], refused.headers["Retry-After"]) == ("overloaded", "1")
    assert (await send(app, ("/wait", {})))[0].status_code == 200


async def test_a_slow_body_is_given_up(make_application, send):
    """A client that does not send its body in time gets a 408 and holds nothing."""

    async def trickle():
        for _ in range(20):
            yield b"x"
            await asyncio.sleep(0.1)

    started = time.monotonic()
    response = (await send(make_application(), ("/read", {"content": trickle()})))[0]
    assert (response.status_code, response.json()["error"]) == (408, "body_too_slow")
    assert time.monotonic() - started < 1.5
