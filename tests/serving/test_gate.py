"""What every request passes, without a model behind it: the bound, the line in the log, the form of errors."""

import asyncio
import json
import logging
import time

import httpx
import pytest
from fastapi import FastAPI, Request

from regrow.serving.answers import add_refusals, answer
from regrow.serving.bodies import read_body
from regrow.serving.gate import Gate
from regrow.serving.logs import REQUESTS, JsonLines


def application(*, most=2, log=False, count=lambda: None):
    """Make an application that waits, fails, or reads its body, behind a gate."""
    app = FastAPI()
    add_refusals(app)
    app.add_middleware(Gate, most=most, log=log, count=count)

    @app.post("/wait")
    async def wait():
        await asyncio.sleep(0.3)

    @app.post("/read")
    async def read(request: Request):
        request.state.model, request.state.rows, request.state.secret = "demo", 3, "value"
        return answer(200, len(await read_body(request, 100, seconds=0.2)))

    @app.post("/fail")
    async def fail():
        raise ZeroDivisionError

    return app


def ask(app, *requests):
    """Send *requests*, each a path and options, at the same time."""

    async def send():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(*(client.post(path, **options) for path, options in requests))

    return asyncio.run(send())


def test_requests_beyond_the_bound_are_told_to_come_again():
    """Of three requests at once two are answered, the third is a 429 with Retry-After; then there is room again."""
    refused = []
    app = application(count=lambda: refused.append(1))
    responses = ask(app, *[("/wait", {})] * 3)
    assert len(refused) == 1
    assert sorted(response.status_code for response in responses) == [200, 200, 429]
    refused = next(response for response in responses if response.status_code == 429)
    assert (refused.json()["error"], refused.headers["Retry-After"]) == ("overloaded", "1")
    assert ask(app, ("/wait", {}))[0].status_code == 200


def test_a_slow_body_is_given_up():
    """A client that does not send its body in time gets a 408 and holds nothing."""

    async def trickle():
        for _ in range(20):
            yield b"x"
            await asyncio.sleep(0.1)

    started = time.monotonic()
    response = ask(application(), ("/read", {"content": trickle()}))[0]
    assert (response.status_code, response.json()["error"]) == (408, "body_too_slow")
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    ("path", "status", "code"), [("/fail", 500, "server_failed"), ("/none", 404, "not_found")]
)
def test_every_error_has_one_form(path, status, code):
    """A path that does not exist and a defect of the server are told like any refusal."""
    response = ask(application(), (path, {}))[0]
    assert (response.status_code, response.json()["error"]) == (status, code)
    assert set(response.json()) == {"error", "message", "column"}


def test_a_request_is_one_line_without_its_values(caplog):
    """The line has time, path, status, seconds, model and rows; no body, no query, no key; the id goes back."""
    app = application(log=True)
    secrets = {"headers": {"X-API-Key": "key-1", "X-Request-ID": "abc"}, "content": b"body-1"}
    with caplog.at_level(logging.INFO, REQUESTS):
        responses = ask(app, ("/read?query-1", secrets), ("/fail", {"headers": {"X-Request-ID": 'a"b'}}))
    lines = [json.loads(JsonLines().format(r)) for r in caplog.records if r.name == REQUESTS]
    one = next(line for line in lines if line["path"] == "/read")
    assert {"time", "level", "seconds", "method"} <= set(one)
    assert (one["status"], one["model"], one["rows"], one["request_id"]) == (200, "demo", 3, "abc")
    assert responses[0].headers["X-Request-ID"] == "abc"
    two = next(line for line in lines if line["path"] == "/fail")
    assert two["status"] == 500
    assert two["request_id"] != 'a"b', "an id that could break a line is replaced"
    for secret in ("key-1", "body-1", "query-1", "value"):
        assert secret not in json.dumps(lines)
