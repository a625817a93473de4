"""Applications and servers without a model behind them, and the sending of requests to them."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from model_facts import make_facts

from regrow.base.settings import Settings
from regrow.serving.http.admission import Admission, Limits, read_body
from regrow.serving.http.keys import Keys
from regrow.serving.http.request_log import RequestLog
from regrow.serving.http.responses import add_refusals, json_response
from regrow.serving.http.server import Server
from regrow.serving.log.journal import Journal
from regrow.serving.metrics import ServerMetrics
from regrow.serving.predict.versions import ServedVersion
from regrow.serving.roster import Roster


@pytest.fixture
def make_application():
    """Make an application that waits, fails, or reads its body; each of *errors* has a path that raises it."""

    def make(*, most: Any = 2, log: Any = False, count: Any = lambda: None, errors: Any = None):
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
            return json_response(200, len(await read_body(request, 100, ("text/x",), seconds=0.2)))

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

    async def send_all(app: Any, *requests: Any):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(*(client.post(path, **options) for path, options in requests))

    return send_all


@pytest.fixture
def served():
    """Make a version in memory by its number, with the libraries that are here in another version."""
    contract: Any = None

    def make(number: int, *changed: Any) -> ServedVersion:
        model: Any = SimpleNamespace(model_id=f"m-{number}", facts=make_facts(0, 1), changed=changed)
        return ServedVersion(number, model, contract, 5.0, ())

    return make


@pytest.fixture
def follows():
    """Make what a server follows of a model: its split, why it is not as the registry says, the versions it keeps."""

    def make(split: Any = None, problem: Any = None, kept: Any = ()):
        versions = SimpleNamespace(loaded={each.version: each for each in kept})
        return SimpleNamespace(
            split=split, problem=problem, versions=versions, champion=split and split.champion
        )

    return make


@pytest.fixture
def make_server(tmp_path: Path):
    """Make a server of *models*; what its parts are told at the end is kept in `told`."""

    def make(error: Any = None, settings: Any = None, expected: Any = 1, **models: Any):
        told, settings = [], settings or Settings(challenger_timeout=0.5)
        follower: Any = SimpleNamespace(
            models=models,
            error=error,
            polled=time.time(),
            age=lambda: 2.5,
            is_alive=lambda: True,
            only_model=lambda: next(iter(models)) if len(models) == 1 else None,
            ready=lambda: any(model.split for model in models.values()),
            stop=lambda: told.append("follower"),
        )
        journals: Any = SimpleNamespace(
            journal=lambda name, *_: Journal(tmp_path / name),
            rows=7,
            set_aside={},
            last=None,
            error=None,
            is_alive=lambda: True,
            waiting_bytes=lambda: 99,
            finish=lambda: told.append("journals"),
        )
        roster = Roster(tmp_path / "workers", expected)
        server: Any = Server(settings, follower, journals, ServerMetrics(), Limits(), Keys(settings), roster)
        server.told = told
        return server

    return make
