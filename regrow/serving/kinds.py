"""What a journal can hold, and the table that its rows go to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from regrow.data.labels import append_labels, labels_path
from regrow.data.predictions import append_predictions, predictions_path
from regrow.serving.record import logged_table


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
    return append_predictions(model, logged_table(model, columns, rows), writer, number)


def _append_labels(
    model: str, _columns: dict[str, str], rows: list[dict[str, Any]], writer: str, number: int
) -> int:
    """Append journal *rows* to the labels."""
    keys = ("prediction_id", "entity_id", "label", "labelled_at", "received_at")
    frame = pd.DataFrame({key: pd.Series([row[key] for row in rows], dtype=object) for key in keys})
    times = {key: pd.to_datetime(frame[key].astype("int64"), unit="us", utc=True) for key in keys[3:]}
    return append_labels(model, frame.assign(**times), writer, number)


PREDICTIONS = Kind("", predictions_path, _append_predictions)
LABELS = Kind("labels-", labels_path, _append_labels)
