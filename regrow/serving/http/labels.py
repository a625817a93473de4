"""Labels over HTTP: the ground truth of a prediction or an entity, checked, then journalled, then acknowledged."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from regrow.data.times import read_moment, to_microseconds
from regrow.errors import InvalidRequest, StateError, Unavailable
from regrow.serving.http.admission import read_body
from regrow.serving.http.keys import allow
from regrow.serving.http.responses import Described, Refused, described, json_response
from regrow.serving.http.server import Server
from regrow.serving.log.flush import TO_LABELS

LONGEST = 1000
"""The longest identifier or label, in characters."""
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
ALLOWED = {
    "prediction_id": f"text, at most {LONGEST} characters",
    "entity_id": f"text or a whole number, at most {LONGEST} characters",
    "label": f"a number, true, false or text of at most {LONGEST} characters",
    "labelled_at": "a moment such as 2013-04-01T05:00:00Z, 1900 to 2200",
}
"""What the value of each key must be, in words."""


def _microseconds(value: Any) -> int | None:
    """Read a moment as microseconds since 1970; without a time zone it is UTC."""
    if value is None:
        return None
    try:
        moment = read_moment(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise PydanticCustomError("moment", "no moment") from error
    if not FIRST <= moment <= LAST:
        raise PydanticCustomError("moment", "not a moment of these centuries")
    return to_microseconds(moment)


Text = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Moment = Annotated[
    int | None, BeforeValidator(_microseconds), WithJsonSchema({"type": "string", "format": "date-time"})
]


class Label(BaseModel):
    """The truth about one prediction, or about all rows of one entity."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"oneOf": [{"required": ["prediction_id"]}, {"required": ["entity_id"]}]},
    )

    prediction_id: Text | None = None
    entity_id: Text | int | None = None
    label: bool | int | Annotated[float, Field(allow_inf_nan=False)] | Text
    labelled_at: Moment = None
    """When the truth was known; not given, it is the time when the label arrives."""

    @model_validator(mode="after")
    def _names_one(self) -> "Label":
        """Refuse a label of nothing, or of two things."""
        if (self.prediction_id is None) == (self.entity_id is None):
            raise PydanticCustomError("which_row", "names not one row")
        return self


class Labels(BaseModel):
    """The body of a request that brings labels."""

    model_config = ConfigDict(strict=True, extra="forbid")

    labels: list[Label]


class Accepted(Described):
    """How many labels are now kept."""

    accepted: int


# The body is read by hand, at most so many bytes of it and for so long; it is checked by the models above.
READ_BY_HAND = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Labels"}}},
    }
}


def label_routes(server: Server) -> APIRouter:
    """Make the route that takes labels."""
    router = APIRouter()

    @router.post(
        "/models/{name}/labels",
        dependencies=[Depends(allow(server.keys, "labels"))],
        status_code=202,
        response_model=Accepted,
        responses=described(400, 401, 403, 404, 408, 413, 415, 422, 429, 503),
        openapi_extra=READ_BY_HAND,
    )
    async def label(name: str, request: Request) -> Response:
        """Take labels of the model *name*; once they are acknowledged they outlive this process."""
        _check_model(server, name)
        body = await read_body(request, server.limits.max_bytes)
        rows = read_labels(
            body, request.headers.get("content-type", ""), server.limits.max_rows, time.time_ns() // 1000
        )
        request.state.model, request.state.rows = name, len(rows)
        if rows:
            await asyncio.to_thread(_keep, server, name, [orjson.dumps(row) for row in rows])
        return json_response(202, {"accepted": len(rows)})

    return router


def read_labels(body: bytes, content_type: str, most: int, received: int) -> list[dict[str, Any]]:
    """Read the labels in *body*, at most *most*, as rows of the journal, *received* microseconds after 1970.

    Raises `InvalidRequest` if the body is no list of labels, or if one of them cannot be taken.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in {"", "application/json"}:
        raise InvalidRequest("unsupported_media_type", f"{kind} is not read here; send application/json")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("invalid_json", f"the body is not valid JSON: {error}") from error
    labels = document.get("labels") if isinstance(document, dict) else None
    if isinstance(labels, list) and len(labels) > most:
        raise InvalidRequest("too_many_rows", f"{len(labels)} labels in one request; send at most {most}")
    try:
        checked = Labels.model_validate(document)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False, include_context=False)[0]) from error
    return [_row(label, received) for label in checked.labels]


def _row(label: Label, received: int) -> dict[str, Any]:
    """Return *label* as a row of the journal."""
    return {
        "prediction_id": label.prediction_id,
        "entity_id": None if label.entity_id is None else str(label.entity_id),
        "label": label.label,
        "labelled_at": received if label.labelled_at is None else label.labelled_at,
        "received_at": received,
    }


def _refusal(error: ErrorDetails) -> InvalidRequest:
    """Return the refusal of a body with *error*, naming the label's place, the key and what it must be."""
    match error["loc"]:
        case ("labels", int(place)) if error["type"] == "which_row":
            message = f"labels[{place}] must name either its prediction_id or its entity_id"
            return InvalidRequest("which_row", message, "prediction_id")
        case ("labels", int(place)):
            return InvalidRequest("wrong_type", f"labels[{place}] must be an object", "labels")
        case ("labels", int(place), str(key), *_) if key not in ALLOWED:
            message = f"labels[{place}]: {key[:80]!r} is unknown; there are {', '.join(sorted(ALLOWED))}"
            return InvalidRequest("unknown_key", message, key[:80])
        case ("labels", int(place), str(key), *_):
            isnull = key == "label" and (error["type"] == "missing" or error["input"] is None)
            message = f"labels[{place}].{key} must be {ALLOWED[key]}"
            return InvalidRequest("null_value" if isnull else "wrong_type", message, key)
        case _:
            message = 'the body must be {"labels": […]} and nothing else'
            return InvalidRequest("malformed_request", message)


def _keep(server: Server, name: str, lines: list[bytes]) -> None:
    """Write *lines* to the journal; raises `Unavailable` if the disk does not take them."""
    try:
        server.flusher.journal(name, TO_LABELS).append({}, lines)
    except StateError as error:
        raise Unavailable("journal_unavailable", str(error)) from error


def _check_model(server: Server, name: str) -> None:
    """Refuse labels of a model that is not served here."""
    follower = server.follower
    if name in follower.models:
        return
    if follower.polled is None:
        raise Unavailable("no_champion", f"the registry has not answered yet: {follower.error or 'wait'}")
    raise Refused(404, "unknown_model", f"model {name!r} is not served here")
