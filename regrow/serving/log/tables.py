"""The tables that journals are flushed into, predictions and labels, and what their lines become there.

The process that flushes imports this: neither MLflow nor scikit-learn comes with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from regrow.base.errors import DataError
from regrow.base.places import Place
from regrow.data.delta import TIME
from regrow.data.labels import append_labels, labels_path, require_complete
from regrow.data.predictions import CHAMPION, append_predictions, feature_type, predictions_path
from regrow.models.values import NUMBERS

Row = dict[str, Any]
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
UNFIT = (DataError, LookupError, TypeError, ValueError, OverflowError, AttributeError, pa.ArrowException)
"""What is raised by a line of the journal that says what no row of its table can say."""


@dataclass(frozen=True)
class Destination:
    """A table that journals are flushed into, and how a journal for it is recognised and appended."""

    prefix: str
    """What the names of the journal's writers begin with."""
    path: Callable[[str], Place]
    """The table of a model."""
    append: Callable[[str, dict[str, str], list[Row], str, int], object]
    """Append the rows of a segment, given the model, the segment's columns and rows, the writer and the number."""
    check: Callable[[str, dict[str, str], list[Row]], object]
    """Raise one of `UNFIT` if the table has no shape for the rows."""


def logged_table(model: str, columns: dict[str, str], lines: list[Row]) -> pa.Table:
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
            "held_back": pa.array([row.get("held_back") for row in rows], pa.bool_()),
            "features": _features(columns, rows),
            "prediction": pa.array([row["prediction"] for row in rows], pa.list_(pa.float64())),
        }
    )


def _named(line: Row) -> Row:
    """Return *line* under the names of today."""
    return {LETTERS[key]: value for key, value in line.items()} if "i" in line else line


def _features(columns: dict[str, str], rows: list[Row]) -> pa.StructArray:
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


def _append_predictions(
    model: str, columns: dict[str, str], rows: list[Row], writer: str, number: int
) -> bool:
    """Append journal *rows* to the prediction log."""
    return append_predictions(model, logged_table(model, columns, rows), writer, number)


def _append_labels(model: str, columns: dict[str, str], rows: list[Row], writer: str, number: int) -> int:
    """Append journal *rows* to the labels."""
    return append_labels(model, _labels(model, columns, rows), writer, number, "http")


def _labels(model: str, _columns: dict[str, str], rows: list[Row]) -> pd.DataFrame:
    """Turn journal *rows* into labels."""
    keys = ("prediction_id", "row_key", "entity_id", "label", "event_time", "labelled_at", "received_at")
    frame = pd.DataFrame({key: pd.Series([row.get(key) for row in rows], dtype=object) for key in keys})
    times = {key: pd.to_datetime(frame[key].astype("Int64"), unit="us", utc=True) for key in keys[4:]}
    labels = frame.assign(**times)
    require_complete(model, labels)
    return labels


TO_PREDICTIONS = Destination("", predictions_path, _append_predictions, logged_table)
TO_LABELS = Destination("labels-", labels_path, _append_labels, _labels)


def destination_of(writer: str) -> Destination:
    """Return the table that the journal of *writer* belongs to."""
    return TO_LABELS if writer.startswith(TO_LABELS.prefix) else TO_PREDICTIONS
