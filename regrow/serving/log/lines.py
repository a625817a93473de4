"""The rows of the prediction log as lines of the journal; `tables.py` reads them.

A line is a JSON object whose names are the log's columns. Each holds prediction_id, entity_id, event_time (null: the
moment of serving), features, prediction, served_at, version and seconds; row_key, request_id, role, rollout, stage,
fallback, shadow_of and held_back stand only in lines that have something to say there. Times are microseconds since
1970.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from regrow.data.predictions import CHAMPION
from regrow.models.contract import Rows

RAISED, TIMEOUT, NOT_FINITE = "raised", "timeout", "not finite"
"""Why a version did not answer a row: the values of the log's column `fallback`."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """What the log says of all rows that one version answers in one request."""

    version: int
    role: str
    rollout: str | None = None
    stage: int | None = None
    fallback: str | None = None
    """Why the champion answers rows that were the challenger's."""
    request: str | None = None
    """The request, by the prediction of its first row; None if it has no other row."""


def new_identifiers(count: int) -> list[str]:
    """Make *count* identifiers as UUIDs of version 7 (RFC 9562, section 5.7), which sort by time."""
    stamp = f"{time.time_ns() // 1_000_000:012x}7"
    noise = os.urandom(10 * count).hex()
    return [f"{stamp}{noise[at : at + 3]}b{noise[at + 3 : at + 18]}" for at in range(0, 20 * count, 20)]


def answered_lines(
    identifiers: list[str],
    rows: Rows,
    values: list[Any],
    attribution: Attribution,
    seconds: float,
    held: Sequence[bool] | None = None,
) -> list[bytes]:
    """Write the *rows* that a client gets *values* for; a row with the value None is left to the champion.

    *held* says which predictions are held back; None if no share is.
    """
    shared = _shared(attribution, seconds)
    given = zip(*rows.features.values(), strict=True)
    return [
        orjson.dumps(
            {
                "prediction_id": identifier,
                "entity_id": entity,
                "event_time": event,
                "features": features,
                "prediction": value if type(value) is list else [value],
                **more,
                **shared,
            }
        )
        for identifier, entity, event, features, value, more in zip(
            identifiers, rows.entities, rows.events, given, values, _more(rows, held), strict=True
        )
        if value is not None
    ]


def shadow_lines(
    answered: list[str], rows: Rows, values: list[Any], attribution: Attribution, seconds: float
) -> list[bytes]:
    """Write shadow predictions of *rows*, which the client got under the identifiers *answered*.

    A value of None is a prediction that failed. The features are left out: they stand with the client's row.
    """
    shared = _shared(attribution, seconds)
    failed = {"prediction": None, "fallback": attribution.fallback or NOT_FINITE}
    return [
        orjson.dumps(
            {
                "prediction_id": identifier,
                "shadow_of": origin,
                "entity_id": entity,
                "event_time": event,
                "features": None,
                **key,
                **shared,
                **(failed if value is None else {"prediction": value if type(value) is list else [value]}),
            }
        )
        for identifier, origin, entity, event, value, key in zip(
            new_identifiers(rows.count),
            answered,
            rows.entities,
            rows.events,
            values,
            _keys(rows),
            strict=True,
        )
    ]


def _more(rows: Rows, held: Sequence[bool] | None) -> Sequence[dict[str, Any]]:
    """Return what only some lines of *rows* say: their keys, and whether they are *held* back."""
    if held is None:
        return _keys(rows)
    return [key | {"held_back": each} for key, each in zip(_keys(rows), held, strict=True)]


def _keys(rows: Rows) -> list[dict[str, Any]]:
    """Return what the lines of *rows* say of their keys: nothing if these are no other than the entities."""
    if rows.keys is None:
        return [{}] * rows.count
    return [{"row_key": key} for key in rows.keys]


def _shared(attribution: Attribution, seconds: float) -> dict[str, Any]:
    """Return what the lines of all rows of one *attribution* have in common."""
    shared: dict[str, Any] = {
        "served_at": time.time_ns() // 1000,
        "version": attribution.version,
        "seconds": round(seconds, 6),
    }
    if attribution.role != CHAMPION:
        shared["role"] = attribution.role
    if attribution.request is not None:
        shared["request_id"] = attribution.request
    if attribution.rollout is not None:
        shared |= {"rollout": attribution.rollout, "stage": attribution.stage}
    if attribution.fallback is not None:
        shared["fallback"] = attribution.fallback
    return shared
