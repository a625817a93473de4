"""Labels over HTTP: the ground truth of a prediction or an entity, checked, then journalled, then acknowledged."""

import asyncio
import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from regrow.data.times import as_utc
from regrow.errors import StateError
from regrow.serving.access import allow
from regrow.serving.answers import answer
from regrow.serving.bodies import read_body
from regrow.serving.kinds import LABELS
from regrow.serving.refusals import Refused, Unavailable, malformed, misfit

if TYPE_CHECKING:
    from regrow.serving.app import Server

KEYS = {"prediction_id", "entity_id", "label", "labelled_at"}
TEXT = 1000
"""The longest identifier or label, in characters."""
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def label_routes(server: "Server") -> APIRouter:
    """Make the route that takes labels."""
    router = APIRouter()

    @router.post("/models/{name}/labels", dependencies=[Depends(allow(server.keys, "labels"))])
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
        return answer(202, {"accepted": len(rows)})

    return router


def _keep(server: "Server", name: str, lines: list[bytes]) -> None:
    """Write *lines* to the journal; raises `Unavailable` where the disk does not take them."""
    try:
        server.folder.journal(name, LABELS).append({}, lines)
    except StateError as error:
        raise Unavailable("journal_unavailable", str(error)) from error


def read_labels(body: bytes, content_type: str, most: int, received: int) -> list[dict[str, Any]]:
    """Read the labels in *body*, at most *most*, as rows of the journal, *received* microseconds after 1970.

    Raises `Refused`: 400 where the body is no list of labels, 413, 415, 422 where a label cannot be taken.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in {"", "application/json"}:
        raise Refused(415, "unsupported_media_type", f"{kind} is not read here; send application/json")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise malformed(f"the body is not valid JSON: {error}", "invalid_json") from error
    labels = document.get("labels") if isinstance(document, dict) else None
    if not isinstance(labels, list) or set(document) != {"labels"}:
        raise malformed('the body must be {"labels": […]} and nothing else')
    if len(labels) > most:
        raise Refused(413, "too_many_rows", f"{len(labels)} labels in one request; send at most {most}")
    return [_row(place, given, received) for place, given in enumerate(labels)]


def _row(place: int, given: Any, received: int) -> dict[str, Any]:
    """Check the label at *place*."""
    if not isinstance(given, dict):
        raise misfit("wrong_type", f"labels[{place}] must be an object", "labels")
    if unknown := sorted(set(given) - KEYS):
        message = f"labels[{place}]: {unknown[0][:80]!r} is unknown; there are {', '.join(sorted(KEYS))}"
        raise misfit("unknown_key", message, unknown[0][:80])
    named = [key for key in ("prediction_id", "entity_id") if given.get(key) is not None]
    if len(named) != 1:
        message = f"labels[{place}] must name either its prediction_id or its entity_id"
        raise misfit("which_row", message, "prediction_id")
    identifier = _identifier(place, named[0], given[named[0]])
    return {
        "prediction_id": identifier if named[0] == "prediction_id" else None,
        "entity_id": identifier if named[0] == "entity_id" else None,
        "label": _label(place, given.get("label")),
        "labelled_at": _moment(place, given.get("labelled_at"), received),
        "received_at": received,
    }


def _identifier(place: int, key: str, value: Any) -> str:
    """Read what names a row; an entity may have a whole number, as in a request."""
    whole = isinstance(value, int) and not isinstance(value, bool) and key == "entity_id"
    if not whole and not (isinstance(value, str) and 0 < len(value) <= TEXT):
        allowed = "text or a whole number" if key == "entity_id" else "text"
        raise misfit("wrong_type", f"labels[{place}].{key} must be {allowed}, at most {TEXT} characters", key)
    return str(value)


def _label(place: int, value: Any) -> float | str | bool:
    """Read a label: a number, text, true or false."""
    number = isinstance(value, int | float) and math.isfinite(value)
    if not number and not (isinstance(value, str) and 0 < len(value) <= TEXT):
        message = f"labels[{place}].label must be a number, true, false or text of at most {TEXT} characters"
        raise misfit("null_value" if value is None else "wrong_type", message, "label")
    return value


def _moment(place: int, value: Any, received: int) -> int:
    """Read when the truth was known, in microseconds since 1970; not given, it was when it was *received*."""
    if value is None:
        return received
    try:
        moment = as_utc(datetime.fromisoformat(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise _no_moment(place) from error
    if not FIRST <= moment <= LAST:
        raise _no_moment(place)
    past = moment - EPOCH
    return (past.days * 86400 + past.seconds) * 1_000_000 + past.microseconds


def _no_moment(place: int) -> Refused:
    """Say what a moment looks like."""
    message = f"labels[{place}].labelled_at must be a moment such as 2013-04-01T05:00:00Z, 1900 to 2200"
    return misfit("wrong_type", message, "labelled_at")


def _check_model(server: "Server", name: str) -> None:
    """Refuse labels of a model that is not served here."""
    champions = server.champions
    if name in champions.slots:
        return
    if champions.polled is None:
        raise Unavailable("no_champion", f"the registry has not answered yet: {champions.error or 'wait'}")
    raise Refused(404, "unknown_model", f"model {name!r} is not served here")
