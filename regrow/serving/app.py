"""The model server's HTTP interface."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import mlflow
import orjson
from fastapi import Depends, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from regrow.serving.access import Keys, allow
from regrow.serving.batching import Batcher
from regrow.serving.champions import Champions, Served
from regrow.serving.fold import Folder
from regrow.serving.limits import Limits
from regrow.serving.measures import Measures
from regrow.serving.protocol import decode
from regrow.serving.refusals import Refused, Unavailable
from regrow.settings import Settings

REGROW = version("regrow")
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
        server.champions.start()
        server.folder.start()
        yield
        await server.stop()

    app = FastAPI(title="Regrow model server", version=REGROW, lifespan=lifespan)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(Unavailable, _unavailable)
    _add_invocations(app, server)
    _add_state(app, server)
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


def _add_state(app: FastAPI, server: Server) -> None:
    """Add the routes that tell of the server itself; what says more than yes or no takes any key."""
    key = Depends(allow(server.keys, "predict", "labels", "admin"))

    @app.get("/ping")
    async def ping() -> Response:
        """Say that the process answers."""
        return Response(b"\n", media_type="application/json")

    @app.get("/ready")
    async def ready() -> Response:
        """Say whether a champion is loaded: 200, or 503."""
        isready = server.champions.ready()
        return _json(200 if isready else 503, {"ready": isready, "models": _models(server.champions)})

    @app.get("/health", dependencies=[key])
    async def health() -> Response:
        """Say what is well and what is not; 200 as long as the process answers."""
        return _json(200, _health(server))

    @app.get("/version", dependencies=[key])
    async def versions() -> Response:
        """Name the versions of Regrow, MLflow and the models that answer."""
        answering = {
            name: slot.served.version for name, slot in server.champions.slots.items() if slot.served
        }
        return _json(200, {"regrow": REGROW, "mlflow": mlflow.__version__, "models": answering})

    @app.get("/metrics", dependencies=[key])
    def metrics() -> Response:
        """Give the counters in Prometheus' text format."""
        server.measures.folded.set(server.folder.rows)
        server.measures.journal_bytes.set(server.folder.pending())
        return Response(generate_latest(server.measures.registry), media_type=CONTENT_TYPE_LATEST)


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
        answer = await server.batcher(name).predict(served, rows)
        content = {
            "predictions": answer.predictions.tolist(),
            "prediction_ids": answer.identifiers,
            "version": answer.version,
        }
    server.measures.rows.labels(name, str(served.version)).inc(rows.count)
    return _json(200, content, {"X-Regrow-Version": str(served.version)})


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


def _models(champions: Champions) -> dict[str, dict[str, Any]]:
    """Describe each model's slot."""
    return {
        name: {
            "version": slot.served.version if slot.served else None,
            "model_id": slot.served.model.model_id if slot.served else None,
            "since": slot.served.since if slot.served else None,
            "problem": slot.problem,
        }
        for name, slot in tuple(champions.slots.items())
    }


def _health(server: Server) -> dict[str, Any]:
    """Describe registry, models and journal."""
    champions, folder = server.champions, server.folder
    models = _models(champions)
    well = champions.error is None and folder.error is None and not any(m["problem"] for m in models.values())
    alive = champions.is_alive() and folder.is_alive()
    return {
        "status": "ok" if well and alive else "degraded",
        "registry": {
            "reachable": champions.error is None,
            "polled": champions.polled,
            "error": champions.error,
        },
        "models": models,
        "journal": {
            "bytes": folder.pending(),
            "folded": folder.rows,
            "last": folder.last,
            "error": folder.error,
        },
    }


def _refused(_: Request, error: Exception) -> Response:
    """Answer a request that was refused."""
    if not isinstance(error, Refused):
        raise error
    content = {"error": error.code, "message": str(error), "column": error.column}
    return _json(error.status, content, {"WWW-Authenticate": "Bearer"} if error.status == 401 else None)


def _unavailable(_: Request, error: Exception) -> Response:
    """Answer a request that cannot be answered now."""
    code = error.code if isinstance(error, Unavailable) else "unavailable"
    return _json(503, {"error": code, "message": str(error), "column": None}, {"Retry-After": "1"})


def _json(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    """Write *content* as JSON."""
    return Response(orjson.dumps(content), status, headers, "application/json")
