"""The tables that journals are flushed into: predictions and labels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from regrow.data.labels import append_labels, labels_path, require_complete
from regrow.data.predictions import append_predictions, predictions_path
from regrow.errors import DataError
from regrow.serving.log.lines import logged_table

Row = dict[str, Any]
UNFIT = (DataError, LookupError, TypeError, ValueError, OverflowError, AttributeError, pa.ArrowException)
"""What is raised by a line of the journal that says what no row of its table can say."""


@dataclass(frozen=True)
class Destination:
    """A table that journals are flushed into, and how a journal for it is recognised and appended."""

    prefix: str
    """What the names of the journal's writers begin with."""
    path: Callable[[str], Path]
    """The table of a model."""
    append: Callable[[str, dict[str, str], list[Row], str, int], object]
    """Append the rows of a segment, given the model, the segment's columns and rows, the writer and the number."""
    check: Callable[[str, dict[str, str], list[Row]], object]
    """Raise one of `UNFIT` if the table has no shape for the rows."""


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
