"""Predict: from the bytes of a request to the answer, in MLflow's scoring protocol."""

import time
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.background import BackgroundTask

from regrow.data.predictions import CHALLENGER, CHAMPION
from regrow.errors import InvalidRequest
from regrow.models.decoding import decode
from regrow.serving.access import allow, demand
from regrow.serving.answers import answer
from regrow.serving.bodies import read_body
from regrow.serving.champions import Champions
from regrow.serving.record import new_identifiers
from regrow.serving.refusals import Refused, Unavailable, status_of
from regrow.serving.routes import Served
from regrow.serving.traffic import Answer, Ask, Traffic

if TYPE_CHECKING:
    from regrow.serving.app import Server

BOTH = "both"
VERSION, PROBE = "x-regrow-version", "x-regrow-probe"
DESCRIPTION = {
    "parameters": [
        {
            "name": "X-Regrow-Version",
            "in": "header",
            "required": False,
            "schema": {"type": "integer", "minimum": 1},
            "description": "Let this version answer, outside of any rollout; it must be in memory",
        },
        {
            "name": "X-Regrow-Probe",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "enum": ["1"]},
            "description": "Let the champion answer, and log nothing; takes the role admin where there are keys",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "example": {"dataframe_split": {"columns": ["carrier", "distance"], "data": [["AA", 1089.0]]}}
            },
            "text/csv": {},
        },
    },
}


def invocation_routes(server: "Server") -> APIRouter:
    """Make the routes that predict."""
    router = APIRouter()
    key = Depends(allow(server.keys, "predict"))

    @router.post("/models/{name}/invocations", dependencies=[key], openapi_extra=DESCRIPTION)
    async def invoke_model(name: str, request: Request) -> Response:
        """Predict rows, in MLflow's scoring protocol, by the versions that answer for the model *name*."""
        return await _invoke(server, name, request)

    @router.post("/invocations", dependencies=[key], openapi_extra=DESCRIPTION)
    async def invoke(request: Request) -> Response:
        """Predict rows by the one model that is served."""
        name = server.champions.single()
        if name is None:
            raise _which_model(server.champions)
        return await _invoke(server, name, request)

    return router


async def _invoke(server: "Server", name: str, request: Request) -> Response:
    """Check, predict, log and answer one request to the model *name*, and count it."""
    start = time.perf_counter()
    status, versions, role = "500", "", ""
    known = name in server.champions.slots
    if known:
        request.state.model = name
    try:
        response, role = await _answer(server, name, request, start)
        status, versions = "200", response.headers[VERSION]
        request.state.version, request.state.role = versions, role
    except InvalidRequest as error:
        status = str(status_of(error))
        raise
    except Unavailable:
        status = "503"
        raise
    finally:
        labels = name if known else "", versions, role
        server.measures.requests_of(*labels, status).inc()
        server.measures.latency_of(*labels).observe(time.perf_counter() - start)
    return response


async def _answer(server: "Server", name: str, request: Request, start: float) -> tuple[Response, str]:
    """Answer one request to the model *name*; gives the response and the role of what answered."""
    server.route(name)
    wanted, isprobe = _wishes(request)
    body = await read_body(request, server.limits.max_bytes)
    route = server.route(name)
    served = route.champion if wanted is None else server.version(name, wanted)
    columns = decode(body, request.headers.get("content-type", ""), served.contract.features)
    rows = served.contract.check(columns, server.limits.max_rows)
    role = CHAMPION if served is route.champion else CHALLENGER
    if rows.count == 0:
        return _response(Answer([], [], [served.version]), None), role
    ask = Ask(route, rows, start, new_identifiers(rows.count), logged=not isprobe)
    request.state.rows, request.state.first = rows.count, ask.identifiers[0]
    traffic = server.traffic(name)
    if wanted is not None or isprobe:
        return _response(await traffic.answer_by(ask, served), None), role
    answered = await traffic.answer(ask)
    return _response(answered, traffic), _role(answered, route.champion)


def _wishes(request: Request) -> tuple[int | None, bool]:
    """Read which version is asked for, and whether the request is a probe; raises `Refused`."""
    wanted, probe = request.headers.get(VERSION), request.headers.get(PROBE)
    if probe is not None and probe != "1":
        raise Refused(400, "malformed_header", f"X-Regrow-Probe is 1 or left out; it was {probe[:20]!r}")
    if probe is not None:
        demand(request, "admin")
    if wanted is None:
        return None, probe is not None
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 10):
        message = f"X-Regrow-Version is the number of a version; it was {wanted[:20]!r}"
        raise Refused(400, "malformed_header", message)
    return int(wanted), probe is not None


def _role(answered: Answer, champion: Served) -> str:
    """Name who answered."""
    versions = set(answered.versions)
    if len(versions) > 1:
        return BOTH
    return CHAMPION if champion.version in versions else CHALLENGER


def _response(answered: Answer, traffic: Traffic | None) -> Response:
    """Write the response; the shadows of *answered* are handed on once it has been sent."""
    versions = sorted(set(answered.versions))
    content: dict[str, Any] = {
        "predictions": answered.values,
        "prediction_ids": answered.identifiers,
        "version": versions[0] if len(versions) == 1 else None,
    }
    if len(versions) > 1:
        content["versions"] = answered.versions
    response = answer(200, content, {"X-Regrow-Version": ",".join(map(str, versions))})
    if answered.shadows and traffic is not None:
        response.background = BackgroundTask(_offer, traffic, answered)
    return response


async def _offer(traffic: Traffic, answered: Answer) -> None:
    """Hand the shadows of *answered* on."""
    traffic.shadow.offer(answered.shadows)


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
