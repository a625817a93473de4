"""Labels over HTTP: the ground truth of a row, checked against the model, then journalled, then acknowledged."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
import orjson
import pandas as pd
from fastapi import APIRouter, Depends, Request, Response
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from regrow.base.errors import InvalidRequest, StateError, Unavailable
from regrow.data.times import FIRST, LAST, read_moment, to_microseconds
from regrow.models.predictions import fit_to
from regrow.models.results import ModelFacts
from regrow.models.values import LONGEST_NAME, LONGEST_SHOWN, shown
from regrow.serving.http.admission import read_body
from regrow.serving.http.keys import allow
from regrow.serving.http.responses import Described, described, json_response
from regrow.serving.http.server import Server
from regrow.serving.log.tables import TO_LABELS

CLOCK_SECONDS = 300
"""How far a client's clock may be ahead of this machine's."""
SHOWN = 20
"""Classes that a refusal lists at most."""
ALLOWED = {
    "prediction_id": f"text, at most {LONGEST_NAME} characters",
    "row_key": f"text or a whole number, at most {LONGEST_NAME} characters",
    "event_time": "a moment such as 2013-04-01T05:00:00Z, 1900 to 2200",
    "entity_id": f"text or a whole number, at most {LONGEST_NAME} characters",
    "label": f"a number, true, false or text of at most {LONGEST_NAME} characters",
    "labelled_at": "a moment such as 2013-04-01T05:00:00Z, 1900 to 2200",
}
"""What the value of each key must be, in words."""
KEYS = frozenset(ALLOWED)


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


Text = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Moment = Annotated[
    int | None, BeforeValidator(_microseconds), WithJsonSchema({"type": "string", "format": "date-time"})
]


class Label(BaseModel):
    """The truth about one row, named by prediction, by row key, by entity and moment, or by an entity of one row."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "oneOf": [{"required": [name]} for name in ("prediction_id", "row_key", "entity_id")]
        },
    )

    prediction_id: Text | None = None
    row_key: Text | int | None = None
    """What names the row: its id, if the project file has `data.id`."""
    entity_id: Text | int | None = None
    event_time: Moment = None
    """Which row of the entity is meant: the one of that moment."""
    label: bool | int | Annotated[float, Field(allow_inf_nan=False)] | Text
    labelled_at: Moment = None
    """When the truth was known; not given, it is the time when the label arrives."""

    @model_validator(mode="after")
    def _names_one(self) -> "Label":
        """Refuse a label of nothing, of two things, or of a moment alone, and one known before its event."""
        names = (self.prediction_id, self.row_key, self.entity_id)
        if sum(name is not None for name in names) != 1:
            raise PydanticCustomError("which_row", "names not one row")
        if self.event_time is not None and self.entity_id is None:
            raise PydanticCustomError("which_row", "names a moment without an entity")
        event, known = self.event_time, self.labelled_at
        if event is not None and known is not None and known < event:
            raise PydanticCustomError("too_early", "was known before its event")
        return self


class Labels(BaseModel):
    """The body of a request that brings labels."""

    model_config = ConfigDict(strict=True, extra="forbid")

    labels: Annotated[list[Label], FailFast()]


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
        split = server.split(name)
        body = await read_body(request, server.limits.max_bytes, ("application/json",))
        received = time.time_ns() // 1000
        served = [each.model.facts for each in (split.champion, split.challenger) if each is not None]
        rows = await server.read(
            body, partial(_checked, name, body, server.limits.max_rows, served, received)
        )
        request.state.model, request.state.rows = name, len(rows)
        if rows:
            await asyncio.to_thread(_keep, server, name, [orjson.dumps(row) for row in rows])
        return json_response(202, {"accepted": len(rows)})

    return router


def _checked(
    model: str, body: bytes, most: int, served: Sequence[ModelFacts], received: int
) -> list[dict[str, Any]]:
    """Read and check the labels in *body*; raises `InvalidRequest`."""
    rows = read_labels(body, most, received)
    check_labels(model, rows, served, received)
    return rows


def read_labels(body: bytes, most: int, received: int) -> list[dict[str, Any]]:
    """Read the labels in *body*, at most *most*, as rows of the journal, *received* microseconds after 1970.

    Raises `InvalidRequest` if the body is no list of labels, or if one of them cannot be taken.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("invalid_json", f"the body is not valid JSON: {error}") from error
    labels = document.get("labels") if isinstance(document, dict) and len(document) == 1 else None
    if not isinstance(labels, list):
        raise InvalidRequest("malformed_request", 'the body must be {"labels": […]} and nothing else')
    if len(labels) > most:
        raise InvalidRequest("too_many_rows", f"more than {most} labels in one request; send fewer at a time")
    _refuse_unknown_keys(labels)
    try:
        checked = Labels.model_validate(document)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False, include_context=False)[0]) from error
    return [_row(label, received) for label in checked.labels]


def check_labels(model: str, rows: list[dict[str, Any]], served: Sequence[ModelFacts], received: int) -> None:
    """Raise `InvalidRequest` if a label of *rows* was known after *received*, or fits none of the *served* versions."""
    late = next(
        (
            place
            for place, row in enumerate(rows)
            if row["labelled_at"] > received + CLOCK_SECONDS * 1_000_000
        ),
        None,
    )
    if late is not None:
        message = f"labels[{late}].labelled_at lies in the future; it is the moment when the truth was known"
        raise InvalidRequest("future_moment", message, "labelled_at", late)
    labels = pd.Series([row["label"] for row in rows], dtype=object)
    fits = np.any([fit_to(labels, facts) for facts in served], axis=0)
    if fits.all():
        return
    place, facts = int(np.argmin(fits)), served[0]
    told = f"labels[{place}].label: {shown(rows[place]['label'])}"
    if facts.kind == "regression":
        raise InvalidRequest(
            "no_number", f"{told} is no number, and model {model!r} predicts one", "label", place
        )
    classes = list(dict.fromkeys(repr(label) for each in served for label in each.classes))
    listed = ", ".join(classes[:SHOWN]) + (
        f" and {len(classes) - SHOWN} more" if len(classes) > SHOWN else ""
    )
    raise InvalidRequest(
        "unknown_class", f"{told} is no class of model {model!r}, which has {listed}", "label", place
    )


def _refuse_unknown_keys(labels: list[Any]) -> None:
    """Refuse the first unknown key of *labels*: pydantic would make an error of each, a hundred times its bytes."""
    for place, label in enumerate(labels):
        if isinstance(label, dict) and not KEYS.issuperset(label):
            key = next(key for key in label if key not in KEYS)[:LONGEST_SHOWN]
            message = f"labels[{place}]: {key!r} is unknown; there are {', '.join(sorted(KEYS))}"
            raise InvalidRequest("unknown_key", message, key)


def _row(label: Label, received: int) -> dict[str, Any]:
    """Return *label* as a row of the journal."""
    return {
        "prediction_id": label.prediction_id,
        "row_key": None if label.row_key is None else str(label.row_key),
        "entity_id": None if label.entity_id is None else str(label.entity_id),
        "event_time": label.event_time,
        "label": label.label,
        "labelled_at": received if label.labelled_at is None else label.labelled_at,
        "received_at": received,
    }


def _refusal(error: ErrorDetails) -> InvalidRequest:
    """Return the refusal of a body with *error*, naming the label's place, the key and what it must be."""
    match error["loc"]:
        case ("labels", int(place)) if error["type"] == "which_row":
            message = (
                f"labels[{place}] must name its row by one of prediction_id, row_key or entity_id, the last with "
                "event_time if the entity recurs"
            )
            return InvalidRequest("which_row", message, "prediction_id")
        case ("labels", int(place)) if error["type"] == "too_early":
            message = (
                f"labels[{place}].labelled_at lies before event_time; no truth is known before its event"
            )
            return InvalidRequest("too_early", message, "labelled_at")
        case ("labels", int(place)):
            return InvalidRequest("wrong_type", f"labels[{place}] must be an object", "labels")
        case ("labels", int(place), str(key), *_):
            isnull = key == "label" and (error["type"] == "missing" or error["input"] is None)
            message = f"labels[{place}].{key} must be {ALLOWED[key]}"
            return InvalidRequest("null_value" if isnull else "wrong_type", message, key)
        case place:
            raise AssertionError(f"only a label can be wrong, not {place}")


def _keep(server: Server, name: str, lines: list[bytes]) -> None:
    """Write *lines* to the journal; raises `Unavailable` if the disk does not take them."""
    try:
        server.journals.journal(name, TO_LABELS).append({}, lines)
    except StateError as error:
        raise Unavailable("journal_unavailable", str(error)) from error
