"""Predict: from the bytes of a request to the answer, in MLflow's scoring protocol."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from starlette.background import BackgroundTask

from regrow.base.errors import InvalidRequest, NotExplained, ServingError, Unavailable
from regrow.data.predictions import CHALLENGER, CHAMPION
from regrow.data.times import FIRST, LAST, read_moment
from regrow.models.contract import Contract, Rows
from regrow.models.decoding import MEDIA_TYPES, decode
from regrow.models.explaining.attributions import require_extra
from regrow.models.values import LONGEST_NAME
from regrow.serving.following.follower import Follower
from regrow.serving.http.admission import Limits, read_body
from regrow.serving.http.keys import allow, demand
from regrow.serving.http.responses import (
    Described,
    Refused,
    described,
    json_response,
    status_of,
)
from regrow.serving.http.server import Server
from regrow.serving.log.lines import new_identifiers
from regrow.serving.predict.explanations import MOST_ROWS, explain_rows
from regrow.serving.predict.jobs import Answer, CheckedRequest, hold_back
from regrow.serving.predict.traffic import Traffic
from regrow.serving.predict.versions import ServedVersion

BOTH = "both"
VERSION, PROBE = "x-regrow-version", "x-regrow-probe"
ENTITY, EVENT_TIME = "x-regrow-entity", "x-regrow-event-time"


class Explanation(Described):
    """Why one row is predicted as it is; base and contributions add up to the total."""

    prediction: float
    explained: str | int | float | bool | None
    """The class whose probability the prediction is; None for a regression."""
    scale: Literal["prediction", "log-odds", "log"]
    """What is added up: the prediction, its log-odds or its logarithm."""
    base: float
    total: float
    contributions: dict[str, float]
    """By column, the largest first."""
    method: Literal["trees", "linear", "sampled"]
    remark: str


class Predictions(Described):
    """The answer: a prediction, an id and a version for each row."""

    predictions: list[float | list[float] | None]
    prediction_ids: list[str]
    version: int | None
    """None if several versions answered."""
    versions: list[int] = Field(default_factory=list)
    """The version of each row, if several answered."""
    decisions: list[str | int | float | bool | None] = Field(default_factory=list)
    """The class that each row's version decides for, if one of them has a threshold of its own."""
    threshold: float | None = None
    """The probability from which it decides for the second class, if one version answered and has it."""
    held_back: list[bool] = Field(default_factory=list)
    """Whether each row's prediction is held back, so that nobody acts on it, if a share is (deployment.hold_back)."""
    explanations: list[Explanation] = Field(default_factory=list)
    """The reasons of each row, if they were asked for."""
    explanation_problem: str | None = None
    """Why there are none, if they were asked for: the predictions stand."""


# The body and these headers are read by hand, as bytes: FastAPI's own reading would cost as much as the prediction.
READ_BY_HAND: dict[str, Any] = {
    "parameters": [
        {
            "name": "explain",
            "in": "query",
            "required": False,
            "schema": {"type": "string", "enum": ["true", "false"]},
            "description": f"Tell what each column adds to each prediction; for at most {MOST_ROWS} rows",
        },
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
            "description": "Let the champion answer, and log nothing; takes the role admin if there are keys",
        },
        {
            "name": "X-Regrow-Entity",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME},
            "description": "Whom the rows are about that name no entity themselves (data.entity); UTF-8",
        },
        {
            "name": "X-Regrow-Event-Time",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "format": "date-time"},
            "description": "The event time of the rows that have none themselves (data.timestamp); default: now",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Rows"}},
            "text/csv": {"schema": {"type": "string"}},
        },
    },
}


def invocation_routes(server: Server) -> APIRouter:
    """Make the routes that predict."""
    router = APIRouter(
        dependencies=[Depends(allow(server.keys, "predict", only=server.follower.only_model))],
        responses=described(400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 501, 503),
    )

    @router.post("/models/{name}/invocations", response_model=Predictions, openapi_extra=READ_BY_HAND)
    async def invoke_model(name: str, request: Request) -> Response:
        """Predict rows, in MLflow's scoring protocol, by the versions that answer for the model *name*."""
        return await _invoke(server, name, request)

    @router.post("/invocations", response_model=Predictions, openapi_extra=READ_BY_HAND)
    async def invoke(request: Request) -> Response:
        """Predict rows by the one model that is served."""
        if request.state.asked is None:
            raise _which_model(server.follower)
        return await _invoke(server, request.state.asked, request)

    return router


async def _invoke(server: Server, name: str, request: Request) -> Response:
    """Check, predict, log and answer one request to the model *name*, and count it."""
    start = time.perf_counter()
    status, versions, role = "500", "", ""
    known = name in server.follower.models
    if known:
        request.state.model = name
    try:
        response, role = await _answer(server, name, request, start)
        status, versions = "200", response.headers[VERSION]
        request.state.version, request.state.role = versions, role
    except (InvalidRequest, ServingError) as error:
        status = str(status_of(error))
        raise
    finally:
        labels = name if known else "", versions, role
        server.metrics.requests_of(*labels, status).inc()
        server.metrics.latency_of(*labels).observe(time.perf_counter() - start)
    return response


async def _answer(server: Server, name: str, request: Request, start: float) -> tuple[Response, str]:
    """Answer one request to the model *name*; return the response and the role of what answered."""
    server.split(name)
    (wanted, isprobe), explains = _wishes(request), _wants_reasons(request)
    body = await read_body(request, server.limits.max_bytes, MEDIA_TYPES)
    split = server.split(name)
    served = split.champion if wanted is None else server.version(name, wanted)
    rows = await server.read(body, partial(_rows, served.contract, body, request, server.limits))
    role = CHAMPION if served is split.champion else CHALLENGER
    if rows.count == 0:
        none = hold_back(split.champion, rows, [])
        return _response(Answer([], [], [served.version]), None, held=none), role
    if explains:
        server.explanations.admit(rows.count)
    identifiers = new_identifiers(rows.count)
    held = hold_back(split.champion, rows, identifiers)
    checked = CheckedRequest(split, rows, start, identifiers, not isprobe, held)
    request.state.rows, request.state.first = rows.count, checked.identifiers[0]
    traffic = server.traffic(name)
    if wanted is not None or isprobe:
        answer, versions = await traffic.answer_by(checked, served), (served,)
    else:
        answer, versions = await traffic.answer(checked), (split.champion, split.challenger)
        role = _role(answer, split.champion)
    reasons = await _reasons(server, rows, served.contract, answer, *versions) if explains else {}
    return _response(answer, traffic, *versions, held=held, reasons=reasons), role


async def _reasons(
    server: Server, rows: Rows, source: Contract, answer: Answer, *served: ServedVersion | None
) -> dict[str, Any]:
    """Return why *rows*, which *source* has read, were answered so, each by its version."""
    versions = {each.version: each for each in served if each}
    return await server.explanations.tell(partial(explain_rows, rows, source, answer.versions, versions))


def _rows(contract: Contract, body: bytes, request: Request, limits: Limits) -> Rows:
    """Read the rows in *body* as a model with *contract* takes them; raises `InvalidRequest` or `Refused`."""
    bounds = limits.bounds(contract)
    columns = decode(body, request.headers.get("content-type", ""), contract.features, bounds)
    entity, event = _about(request)
    if entity is not None or event is not None:
        columns = contract.about(columns, entity, event)
    return contract.check(columns, bounds.max_rows)


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


def _wants_reasons(request: Request) -> bool:
    """Read whether reasons are asked for; raises `Refused`, also if the server has not installed what they need."""
    if not request.scope.get("query_string"):
        return False
    asked = request.query_params.get("explain", "false")
    if asked not in {"true", "false"}:
        raise Refused(400, "malformed_query", f"explain is true or false; it was {asked[:20]!r}")
    if asked == "true":
        try:
            require_extra()
        except NotExplained as error:
            raise Refused(501, "not_installed", str(error)) from error
    return asked == "true"


def _about(request: Request) -> tuple[str | None, str | None]:
    """Read whom the rows are about, and when; raises `Refused`."""
    sent, event = request.headers.get(ENTITY), request.headers.get(EVENT_TIME)
    entity = sent and _utf8(sent)
    if entity is not None and not 0 < len(entity) <= LONGEST_NAME:
        message = f"X-Regrow-Entity is text of 1 to {LONGEST_NAME} characters in UTF-8"
        raise Refused(400, "malformed_header", message)
    if event is None:
        return entity, None
    try:
        moment = read_moment(event)
    except ValueError:
        moment = None
    if moment is None or not FIRST <= moment <= LAST:
        message = f"X-Regrow-Event-Time is a moment such as 2013-04-01T05:00:00Z, 1900 to 2200; it was {event[:40]!r}"
        raise Refused(400, "malformed_header", message)
    return entity, moment.isoformat()


def _utf8(sent: str) -> str:
    """Return the header *sent*, which Starlette reads as Latin-1, as the UTF-8 that it is; empty if it is none."""
    try:
        return sent.encode("latin-1").decode()
    except UnicodeDecodeError:
        return ""


def _role(answer: Answer, champion: ServedVersion) -> str:
    """Return the role of what answered."""
    versions = set(answer.versions)
    if len(versions) > 1:
        return BOTH
    return CHAMPION if champion.version in versions else CHALLENGER


def _decisions(answer: Answer, served: dict[int, ServedVersion]) -> dict[str, Any]:
    """Return what the versions of *answer* decide for, if one of them has a threshold of its own."""
    thresholds = {
        served[version].model.facts.threshold for version in set(answer.versions) if version in served
    }
    if thresholds <= {None}:
        return {}
    rows = zip(answer.values, answer.versions, strict=True)
    decided = [served[version].decide(value) if version in served else None for value, version in rows]
    return {"decisions": decided, **({"threshold": thresholds.pop()} if len(thresholds) == 1 else {})}


def _response(
    answer: Answer,
    traffic: Traffic | None,
    *served: ServedVersion | None,
    held: list[bool] | None = None,
    reasons: Mapping[str, Any] | None = None,
) -> Response:
    """Write the response, with which rows are *held* back if a share is, and *reasons* if they were asked for.

    The shadows of *answer* are handed to *traffic* once it has been sent.
    """
    versions = sorted(set(answer.versions))
    content: dict[str, Any] = {
        "predictions": answer.values,
        "prediction_ids": answer.identifiers,
        "version": versions[0] if len(versions) == 1 else None,
    }
    if len(versions) > 1:
        content["versions"] = answer.versions
    if held is not None:
        content["held_back"] = held
    content |= _decisions(answer, {each.version: each for each in served if each}) | dict(reasons or {})
    response = json_response(200, content, {"X-Regrow-Version": ",".join(map(str, versions))})
    if answer.shadows and traffic is not None:
        response.background = BackgroundTask(_offer, traffic, answer)
    return response


async def _offer(traffic: Traffic, answer: Answer) -> None:
    """Hand the shadows of *answer* on."""
    traffic.shadow.offer(answer.shadows)


def _which_model(follower: Follower) -> Exception:
    """Return why /invocations does not know which model is meant."""
    names = sorted(follower.models)
    if not names:
        return Unavailable("no_champion", f"no model has a champion yet ({follower.error or 'register one'})")
    message = f"{len(names)} models are served: POST /models/NAME/invocations, NAME one of {', '.join(names)}"
    return Refused(404, "which_model", message)
