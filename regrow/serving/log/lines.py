"""The rows of the prediction log as lines of the journal, and read back as a table of the log's shape.

A line is a JSON object whose names are the log's columns. Each holds prediction_id, entity_id, event_time (null: the
moment of serving), features, prediction, served_at, version and seconds; row_key, request_id, role, rollout, stage,
fallback and shadow_of stand only in lines that have something to say there. Times are microseconds since 1970.
"""

import os
import time
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from regrow.data.delta import TIME
from regrow.data.predictions import CHAMPION, feature_type
from regrow.models.contract import Rows
from regrow.models.values import NUMBERS

RAISED, TIMEOUT, NOT_FINITE = "raised", "timeout", "not finite"
"""Why a version did not answer a row: the values of the log's column `fallback`."""
LETTERS = {
    "i": "prediction_id",
    "e": "entity_id",
    "t": "event_time",
    "f": "features",
    "p": "prediction",
    "s": "served_at",
    "v": "version",
    "d": "seconds",
    "r": "role",
    "o": "rollout",
    "g": "stage",
    "b": "fallback",
    "w": "shadow_of",
}
"""The names in lines that Regrow 0.1 wrote; what its server left in the journal is still read."""


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
    identifiers: list[str], rows: Rows, values: list[Any], attribution: Attribution, seconds: float
) -> list[bytes]:
    """Write the *rows* that a client gets *values* for; a row with the value None is left to the champion."""
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
                **key,
                **shared,
            }
        )
        for identifier, entity, event, features, value, key in zip(
            identifiers, rows.entities, rows.events, given, values, _keys(rows), strict=True
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


def _keys(rows: Rows) -> list[dict[str, str | None]]:
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


def logged_table(model: str, columns: dict[str, str], lines: list[dict[str, Any]]) -> pa.Table:
    """Turn the *lines* of journal segments, with features of *columns*, into a table of the log's shape.

    Raises `KeyError`, `TypeError`, `ValueError` or what Arrow raises if a line is none of the log.
    """
    rows = [_named(line) for line in lines]
    events = [row["served_at"] if row["event_time"] is None else row["event_time"] for row in rows]
    return pa.table(
        {
            "prediction_id": pa.array([row["prediction_id"] for row in rows], pa.string()),
            "entity_id": pa.array([row["entity_id"] for row in rows], pa.string()),
            "row_key": pa.array([row.get("row_key") for row in rows], pa.string()),
            "request_id": pa.array([row.get("request_id") for row in rows], pa.string()),
            "event_time": pa.array(events, TIME),
            "served_at": pa.array([row["served_at"] for row in rows], TIME),
            "model": pa.array([model] * len(rows), pa.string()),
            "version": pa.array([row["version"] for row in rows], pa.int64()),
            "role": pa.array([row.get("role", CHAMPION) for row in rows], pa.string()),
            "rollout": pa.array([row.get("rollout") for row in rows], pa.string()),
            "stage": pa.array([row.get("stage") for row in rows], pa.int64()),
            "fallback": pa.array([row.get("fallback") for row in rows], pa.string()),
            "seconds": pa.array([row.get("seconds") for row in rows], pa.float64()),
            "shadow_of": pa.array([row.get("shadow_of") for row in rows], pa.string()),
            "features": _features(columns, rows),
            "prediction": pa.array([row["prediction"] for row in rows], pa.list_(pa.float64())),
        }
    )


def _named(line: dict[str, Any]) -> dict[str, Any]:
    """Return *line* under the names of today."""
    return {LETTERS[key]: value for key, value in line.items()} if "i" in line else line


def _features(columns: dict[str, str], rows: list[dict[str, Any]]) -> pa.StructArray:
    """Build the features of *rows*; a shadow has none."""
    given = [row["features"] for row in rows]
    if any(row is not None and len(row) != len(columns) for row in given):
        raise ValueError("not as many features as the segment has columns")
    values = [
        pa.array([None if row is None else _logged(row[index], kind) for row in given], feature_type(kind))
        for index, kind in enumerate(columns.values())
    ]
    return pa.StructArray.from_arrays(
        values, names=list(columns), mask=pa.array([row is None for row in given], pa.bool_())
    )


def _logged(value: Any, kind: str) -> Any:
    """Return *value* as it is logged: numbers as doubles, and as text what has no type of its own."""
    if value is None or kind in {"boolean", "datetime"}:
        return value
    return float(value) if kind in NUMBERS else str(value)
