"""The model server's HTTP interface."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI, Request, Response

from regrow.serving.access import Keys, allow
from regrow.serving.answers import REGROW, add_refusals, answer
from regrow.serving.batching import Batcher
from regrow.serving.champions import Champions, Served
from regrow.serving.fold import Folder
from regrow.serving.limits import Limits
from regrow.serving.measures import Measures
from regrow.serving.protocol import decode
from regrow.serving.refusals import Refused, Unavailable
from regrow.serving.roster import Pulse, Roster
from regrow.serving.state import entry, state_routes
from regrow.settings import Settings

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "example": {"dataframe_split": {"columns": ["carrier", "distance"], "data": [["AA", 1089.0]]}}
            },
            "text/csv": {},
        },
    }
}


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
    batchers: dict[str, Batcher] = field(default_factory=dict)

    def batcher(self, model: str) -> Batcher:
        """Give the batcher of *model*, starting it at first use."""
        if model not in self.batchers:
            self.batchers[model] = Batcher(model, self.folder.journal(model), self.measures)
        return self.batchers[model]

    def served(self, model: str) -> Served:
        """Give what answers for *model* now; raises `Refused` or `Unavailable` where nothing does."""
        slot = self.champions.slots.get(model)
        if slot is None:
            known = ", ".join(sorted(self.champions.slots)) or "none yet"
            raise Refused(404, "unknown_model", f"model {model!r} is not served here; served: {known}")
        if slot.served is None:
            reason = slot.problem or self.champions.error or "its champion is being loaded"
            raise Unavailable("no_champion", f"model {model!r} does not answer yet: {reason}")
        return slot.served

    async def stop(self) -> None:
        """Answer what waits, then put every row into the prediction log."""
        self.champions.stop()
        for batcher in self.batchers.values():
            await batcher.close()
        self.folder.finish()


def create_app(server: Server) -> FastAPI:
    """Build the application over *server*; its life starts and ends the threads behind it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pulse = Pulse(server.roster, partial(entry, server))
        server.champions.start()
        server.folder.start()
        pulse.start()
        yield
        pulse.stop()
        await server.stop()

    app = FastAPI(title="Regrow model server", version=REGROW, lifespan=lifespan)
    add_refusals(app)
    _add_invocations(app, server)
    app.include_router(state_routes(server))
    return app


def _add_invocations(app: FastAPI, server: Server) -> None:
    """Add the routes that predict."""
    key = Depends(allow(server.keys, "predict"))

    @app.post("/models/{name}/invocations", dependencies=[key], openapi_extra=BODY)
    async def invoke_model(name: str, request: Request) -> Response:
        """Predict rows, in MLflow's scoring protocol, by the champion of the model *name*."""
        return await _invoke(server, name, request)

    @app.post("/invocations", dependencies=[key], openapi_extra=BODY)
    async def invoke(request: Request) -> Response:
        """Predict rows by the champion of the one model that is served."""
        name = server.champions.single()
        if name is None:
            raise _which_model(server.champions)
        return await _invoke(server, name, request)


async def _invoke(server: Server, name: str, request: Request) -> Response:
    """Check, predict, log and answer one request to the model *name*, and count it."""
    start = time.perf_counter()
    status, answered_by = "500", ""
    known = name in server.champions.slots
    try:
        response = await _answer(server, name, request)
        status, answered_by = "200", response.headers["x-regrow-version"]
    except Refused as error:
        status = str(error.status)
        raise
    except Unavailable:
        status = "503"
        raise
    finally:
        label = name if known else ""
        server.measures.requests.labels(label, answered_by, status).inc()
        server.measures.latency.labels(label).observe(time.perf_counter() - start)
    return response


async def _answer(server: Server, name: str, request: Request) -> Response:
    """Answer one request to the model *name*."""
    server.served(name)
    body = await _read(request, server.limits.max_bytes)
    served = server.served(name)
    columns = decode(body, request.headers.get("content-type", ""), served.contract.features)
    rows = served.contract.check(columns, server.limits.max_rows)
    if rows.count == 0:
        content: dict[str, Any] = {"predictions": [], "prediction_ids": [], "version": served.version}
    else:
        answered = await server.batcher(name).predict(served, rows)
        content = {
            "predictions": answered.predictions.tolist(),
            "prediction_ids": answered.identifiers,
            "version": answered.version,
        }
    server.measures.rows.labels(name, str(served.version)).inc(rows.count)
    return answer(200, content, {"X-Regrow-Version": str(served.version)})


async def _read(request: Request, limit: int) -> bytes:
    """Read the body, at most *limit* bytes of it."""
    message = f"the body is over {limit} bytes; send fewer rows in one request"
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise Refused(413, "body_too_large", message)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Refused(413, "body_too_large", message)
        parts.append(part)
    return b"".join(parts)


def _which_model(champions: Champions) -> Exception:
    """Say why /invocations does not know which model is meant."""
    names = sorted(champions.slots)
    if not names:
        return Unavailable(
            "no_champion", f"no model has a champion yet ({champions.error or 'register one'})"
        )
    return Refused(
        404, "which_model", f"{len(names)} models are served: POST /models/NAME/invocations ({names})"
    )
