"""The rows of the prediction log: as lines of the journal, and back as a table.

A line holds i: prediction id, e: entity id, t: event time, f: features, p: prediction, s: served at, v: version,
d: seconds; and where they are not the usual r: role, o: rollout, g: stage, b: fallback, w: shadow of.
"""

import os
import time
from typing import Any

import orjson
import pyarrow as pa

from regrow.data.delta import TIME
from regrow.data.predictions import CHAMPION, feature_type
from regrow.serving.parts import NOT_FINITE, Part


def new_identifiers(count: int) -> list[str]:
    """Make *count* identifiers as UUIDs of version 7 (RFC 9562, section 5.7), which sort by time."""
    stamp = f"{time.time_ns() // 1_000_000:012x}7"
    noise = os.urandom(10 * count).hex()
    return [f"{stamp}{noise[at : at + 3]}b{noise[at + 3 : at + 18]}" for at in range(0, 20 * count, 20)]


def answered_lines(part: Part, values: list[Any], seconds: float) -> list[bytes]:
    """Write the rows of *part* that a client gets; those without a value are left to the champion."""
    alike = _alike(part, seconds)
    rows = part.rows
    given = zip(*rows.features.values(), strict=True)
    return [
        orjson.dumps({"i": i, "e": e, "t": t, "f": f, "p": p if type(p) is list else [p], **alike})
        for i, e, t, f, p in zip(part.identifiers, rows.entities, rows.events, given, values, strict=True)
        if p is not None
    ]


def shadow_lines(part: Part, values: list[Any], seconds: float) -> list[bytes]:
    """Write every row of the shadow *part*; its features stand with the row that the client got."""
    alike = _alike(part, seconds)
    rows = part.rows
    return [
        orjson.dumps({"i": i, "w": w, "e": e, "t": t, "f": None, **_predicted(p, part.fallback), **alike})
        for i, w, e, t, p in zip(
            new_identifiers(rows.count), part.identifiers, rows.entities, rows.events, values, strict=True
        )
    ]


def _alike(part: Part, seconds: float) -> dict[str, Any]:
    """Give what all rows of *part* have in common."""
    alike: dict[str, Any] = {"s": time.time_ns() // 1000, "v": part.version, "d": round(seconds, 6)}
    if part.role != CHAMPION:
        alike["r"] = part.role
    if part.rollout is not None:
        alike |= {"o": part.rollout, "g": part.stage}
    if part.fallback is not None:
        alike["b"] = part.fallback
    return alike


def _predicted(value: Any, fallback: str | None) -> dict[str, Any]:
    """Write a shadow's prediction, or why there is none."""
    if value is None:
        return {"p": None, "b": fallback or NOT_FINITE}
    return {"p": value if type(value) is list else [value]}


def logged_table(model: str, columns: dict[str, str], rows: list[dict[str, Any]]) -> pa.Table:
    """Turn journal *rows*, with features of *columns*, into a table of the log's shape."""
    return pa.table(
        {
            "prediction_id": pa.array([row["i"] for row in rows], pa.string()),
            "entity_id": pa.array([row["e"] for row in rows], pa.string()),
            "event_time": pa.array([row["s"] if row["t"] is None else row["t"] for row in rows], TIME),
            "served_at": pa.array([row["s"] for row in rows], TIME),
            "model": pa.array([model] * len(rows), pa.string()),
            "version": pa.array([row["v"] for row in rows], pa.int64()),
            "role": pa.array([row.get("r", CHAMPION) for row in rows], pa.string()),
            "rollout": pa.array([row.get("o") for row in rows], pa.string()),
            "stage": pa.array([row.get("g") for row in rows], pa.int64()),
            "fallback": pa.array([row.get("b") for row in rows], pa.string()),
            "seconds": pa.array([row.get("d") for row in rows], pa.float64()),
            "shadow_of": pa.array([row.get("w") for row in rows], pa.string()),
            "features": _features(columns, rows),
            "prediction": pa.array([row["p"] for row in rows], pa.list_(pa.float64())),
        }
    )


def _features(columns: dict[str, str], rows: list[dict[str, Any]]) -> pa.StructArray:
    """Build the features of *rows*; a shadow has none."""
    given = [row["f"] for row in rows]
    values = [
        pa.array([None if row is None else _logged(row[index], kind) for row in given], feature_type(kind))
        for index, kind in enumerate(columns.values())
    ]
    return pa.StructArray.from_arrays(
        values, names=list(columns), mask=pa.array([row is None for row in given], pa.bool_())
    )


def _logged(value: Any, kind: str) -> Any:
    """Give *value* as it is logged: whole numbers as doubles, nested values as text."""
    if value is None or isinstance(value, str | float | bool) or kind == "datetime":
        return value
    return str(value) if kind == "any" else float(value)
