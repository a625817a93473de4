"""Rows of the prediction log, and their labels, for models that tests make up."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from regrow.data.delta import TIME
from regrow.data.labels import append_labels, read_labels
from regrow.data.predictions import append_predictions
from regrow.project import Project

START = datetime(2024, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    """Return the moment *number* days after the first."""
    return START + timedelta(days=number)


def watch(project: Callable[..., Project], **changes: object) -> Project:
    """Make a *project* of rows whose id is unique; *changes* are of its data."""
    source = {"kind": "csv", "path": "rows.csv"}
    return project(data={"source": source, "target": "late", "timestamp": "at", "id": "id"} | changes)


def serve(
    project: Project,
    *rows: tuple[str, str | None, float],
    version: int = 2,
    held: Sequence[bool] | None = None,
) -> None:
    """Log *rows* of prediction_id, entity_id and day; *held* says which were held back, None that no share was."""
    times = pa.array([day(when) for _, _, when in rows], TIME)
    table = {
        "prediction_id": [row[0] for row in rows],
        "entity_id": pa.array([row[1] for row in rows], pa.string()),
        "event_time": times,
        "served_at": times,
        "model": ["m"] * len(rows),
        "version": pa.array([version] * len(rows), pa.int64()),
        "prediction": pa.array([[0.25, 0.75]] * len(rows), pa.list_(pa.float64())),
    }
    if held is not None:
        table["held_back"] = pa.array(held, pa.bool_())
    append_predictions(project.name, pa.table(table), f"v{version}-{rows[0][0]}")


def tell(project: Project, **columns: list[Any]) -> pd.DataFrame:
    """Keep labels with their days, and read them back."""
    frame = pd.DataFrame(columns)
    append_labels(project.name, frame.assign(labelled_at=frame["labelled_at"].map(day)), "tell")
    return read_labels(project.name)
