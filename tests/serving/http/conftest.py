"""An application without a model behind it, with what every request passes, and the sending of requests to it."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI, Request

from regrow.serving.http.admission import Admission, read_body
from regrow.serving.http.request_log import RequestLog
from regrow.serving.http.responses import add_refusals, json_response


@pytest.fixture
def make_application():
    """Make an application that waits, fails, or reads its body; each of *errors* has a path that raises it."""

    def make(*, most=2, log=False, count=lambda: None, errors=None):
        app = FastAPI()
        add_refusals(app)
        app.add_middleware(Admission, most=most, count=count)
        if log:
            app.add_middleware(RequestLog)

        @app.post("/wait")
        async def wait():
            await asyncio.sleep(0.3)

        @app.post("/read")
        async def read(request: Request):
            request.state.model, request.state.rows, request.state.secret = "demo", 3, "value"
            return json_response(200, len(await read_body(request, 100, seconds=0.2)))

        @app.post("/fail")
        async def fail():
            raise ZeroDivisionError

        @app.post("/errors/{name}")
        async def raise_error(name: str):
            raise errors[name]

        return app

    return make


@pytest.fixture
def send():
    """Send requests, each a path and options, to an application at the same time."""

    async def send_all(app, *requests):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(*(client.post(path, **options) for path, options in requests))

    return send_all
