"""The model server's HTTP interface."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from fastapi import FastAPI

from regrow.serving.access import Keys
from regrow.serving.answers import REGROW, add_refusals
from regrow.serving.champions import Champions
from regrow.serving.description import PAGE, add_description
from regrow.serving.fold import Folder
from regrow.serving.gate import Gate
from regrow.serving.invocations import invocation_routes
from regrow.serving.labels import label_routes
from regrow.serving.limits import Limits
from regrow.serving.measures import Measures
from regrow.serving.refusals import Refused, Unavailable
from regrow.serving.roster import Pulse, Roster
from regrow.serving.routes import Route, Served
from regrow.serving.state import entry, state_routes
from regrow.serving.traffic import Traffic
from regrow.settings import Settings

START_SECONDS = 30.0
"""How long a worker may take to load its versions before it takes requests all the same."""


@dataclass
class Server:
    """The parts that answer requests."""

    settings: Settings
    champions: Champions
    folder: Folder
    measures: Measures
    limits: Limits
    keys: Keys
    roster: Roster
    _traffic: dict[str, Traffic] = field(default_factory=dict)

    def traffic(self, model: str) -> Traffic:
        """Give the traffic of *model*, starting its threads at first use."""
        if model not in self._traffic:
            journal = self.folder.journal(model)
            timeout = self.settings.challenger_timeout
            self._traffic[model] = Traffic(model, journal, self.measures, timeout)
        return self._traffic[model]

    def route(self, model: str) -> Route:
        """Say what answers for *model* now; raises `Refused` or `Unavailable` where nothing does."""
        slot = self.champions.slots.get(model)
        if slot is None:
            known = ", ".join(sorted(self.champions.slots)) or "none yet"
            raise Refused(404, "unknown_model", f"model {model!r} is not served here; served: {known}")
        if slot.route is None:
            reason = slot.problem or self.champions.error or "its champion is being loaded"
            raise Unavailable("no_champion", f"model {model!r} does not answer yet: {reason}")
        return slot.route

    def version(self, model: str, number: int) -> Served:
        """Give version *number* of *model*, where it is in memory; else raises `Refused`."""
        route, slot = self.route(model), self.champions.slots.get(model)
        kept = tuple(slot.loaded.values()) if slot else ()
        loaded = {served.version: served for served in (*kept, route.champion, route.challenger) if served}
        if number not in loaded:
            known = ", ".join(map(str, sorted(loaded)))
            message = f"version {number} of {model!r} is not in memory; loaded: {known}"
            raise Refused(404, "unknown_version", message)
        return loaded[number]

    def problems(self) -> list[str]:
        """Say which model's threads do not get on."""
        return [problem for traffic in tuple(self._traffic.values()) for problem in traffic.problems()]

    async def stop(self) -> None:
        """Answer what waits, then put every row into the prediction log."""
        self.champions.stop()
        for traffic in self._traffic.values():
            await traffic.close()
        self.folder.finish()


def create_app(server: Server) -> FastAPI:
    """Build the application over *server*; its life starts and ends the threads behind it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pulse = Pulse(server.roster, partial(entry, server))
        server.champions.start()
        server.folder.start()
        pulse.start()
        # Of several workers on one port a new one would refuse what its siblings answer.
        await asyncio.to_thread(server.champions.settled.wait, START_SECONDS)
        yield
        pulse.stop()
        await server.stop()

    # What names models and columns takes a key, like any page that says more than yes or no.
    page = None if server.keys.needed else PAGE
    app = FastAPI(title="Regrow model server", version=REGROW, lifespan=lifespan, openapi_url=page)
    add_refusals(app)
    refused = server.measures.requests_of("", "", "", "429").inc
    app.add_middleware(
        Gate, most=server.limits.max_requests, log=server.settings.log_format == "json", count=refused
    )
    app.include_router(invocation_routes(server))
    app.include_router(label_routes(server))
    app.include_router(state_routes(server))
    add_description(app, server)
    return app
