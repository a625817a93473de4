"""The model server's HTTP interface."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from regrow.serving.http.admission import Admission
from regrow.serving.http.health import health_routes, roster_entry
from regrow.serving.http.hosts import KnownHosts, known_hosts
from regrow.serving.http.invocations import invocation_routes
from regrow.serving.http.labels import label_routes
from regrow.serving.http.openapi import PAGE, add_openapi
from regrow.serving.http.request_log import RequestLog
from regrow.serving.http.responses import REGROW, add_refusals, described
from regrow.serving.http.server import Server
from regrow.serving.roster import Pulse

START_SECONDS = 30.0
"""How long a worker may take to load its versions before it takes requests all the same."""


def create_app(server: Server, host: str) -> FastAPI:
    """Build the application over *server*, which listens on *host*; its life starts and ends the threads behind it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pulse = Pulse(server.roster, partial(roster_entry, server))
        server.follower.start()
        server.journals.start()
        pulse.start()
        # Of several workers on one port a new one would refuse what its siblings answer.
        await asyncio.to_thread(server.follower.settled.wait, START_SECONDS)
        yield
        pulse.stop()
        await server.stop()

    # What names models and columns takes a key, like any page that says more than yes or no.
    page = None if server.keys.needed else PAGE
    app = FastAPI(
        title="Regrow model server",
        version=REGROW,
        lifespan=lifespan,
        openapi_url=page,
        responses=described(421),
    )
    add_refusals(app)
    count = partial(server.metrics.requests_of, "", "", "")
    app.add_middleware(Admission, most=server.limits.max_requests, count=count("429").inc)
    app.add_middleware(KnownHosts, known=known_hosts(host, server.settings), count=count("421").inc)
    if server.settings.log_format == "json":
        app.add_middleware(RequestLog)
    app.include_router(invocation_routes(server))
    app.include_router(label_routes(server))
    app.include_router(health_routes(server))
    add_openapi(app, server)
    return app
