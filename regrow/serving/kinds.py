"""What a journal can hold, and the table that its rows go to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from regrow.tables.delta import TIME
from regrow.tables.labels import append_labels, labels_path
from regrow.tables.predictions import append_predictions, feature_type, predictions_path


@dataclass(frozen=True)
class Kind:
    """A kind of journal: what its writers' names begin with, its table, and how rows get there.

    *append* takes the model, the columns of the journal's segment, the rows, the writer and the segment's number.
    """

    prefix: str
    path: Callable[[str], Path]
    append: Callable[[str, dict[str, str], list[dict[str, Any]], str, int], object]


def kind_of(writer: str) -> Kind:
    """Say what the journal of *writer* holds."""
    return LABELS if writer.startswith(LABELS.prefix) else PREDICTIONS


def _append_predictions(
    model: str, columns: dict[str, str], rows: list[dict[str, Any]], writer: str, number: int
) -> bool:
    """Append journal *rows* to the prediction log."""
    return append_predictions(model, _table(model, columns, rows), writer, number)


def _append_labels(
    model: str, _columns: dict[str, str], rows: list[dict[str, Any]], writer: str, number: int
) -> int:
    """Append journal *rows* to the labels."""
    keys = ("prediction_id", "entity_id", "label", "labelled_at", "received_at")
    frame = pd.DataFrame({key: pd.Series([row[key] for row in rows], dtype=object) for key in keys})
    times = {key: pd.to_datetime(frame[key].astype("int64"), unit="us", utc=True) for key in keys[3:]}
    return append_labels(model, frame.assign(**times), writer, number)


def _table(model: str, columns: dict[str, str], rows: list[dict[str, Any]]) -> pa.Table:
    """Turn journal *rows* into a table of the log's shape."""
    features = [
        pa.array([_logged(row["f"][index], kind) for row in rows], feature_type(kind))
        for index, kind in enumerate(columns.values())
    ]
    return pa.table(
        {
            "prediction_id": pa.array([row["i"] for row in rows], pa.string()),
            "entity_id": pa.array([row["e"] for row in rows], pa.string()),
            "event_time": pa.array([row["s"] if row["t"] is None else row["t"] for row in rows], TIME),
            "served_at": pa.array([row["s"] for row in rows], TIME),
            "model": pa.array([model] * len(rows), pa.string()),
            "version": pa.array([row["v"] for row in rows], pa.int64()),
            "features": pa.StructArray.from_arrays(features, names=list(columns)),
            "prediction": pa.array([row["p"] for row in rows], pa.list_(pa.float64())),
        }
    )


def _logged(value: Any, kind: str) -> Any:
    """Give *value* as it is logged: whole numbers as doubles, nested values as text."""
    if value is None or isinstance(value, str | float | bool) or kind == "datetime":
        return value
    return str(value) if kind == "any" else float(value)


PREDICTIONS = Kind("", predictions_path, _append_predictions)
LABELS = Kind("labels-", labels_path, _append_labels)
