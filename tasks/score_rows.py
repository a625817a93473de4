"""Score the rows of a period in batch and log each prediction once."""

import hashlib
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from regrow.data.delta import TIME
from regrow.data.predictions import append_new_predictions, feature_type
from regrow.data.sources import read_source
from regrow.errors import DataError
from regrow.lineage import current, step
from regrow.models.stored import LoadedModel, load_model
from regrow.project import Project
from regrow.registry import Version
from regrow.results import Scored


def name_rows(frame: pd.DataFrame, id_column: str | None) -> list[str]:
    """Name each row: by its id, or where it has none by its content and its place among equal rows."""
    if id_column is not None:
        return [str(value) for value in frame[id_column]]
    content = pd.util.hash_pandas_object(frame, index=False)
    places = content.groupby(content).cumcount()
    return [f"{value:016x}-{place}" for value, place in zip(content, places, strict=True)]


def shape_predictions(
    project: Project, model: LoadedModel, version: Version, frame: pd.DataFrame, as_of: datetime
) -> pa.Table:
    """Predict *frame* and shape the result like the prediction log; a row's prediction_id is always the same."""
    prediction = model.predict(frame)
    rows = prediction.reshape(len(frame), -1).tolist()
    entities = name_rows(frame, project.data.id)
    times = frame[project.data.timestamp] if project.data.timestamp else pd.Series([as_of] * len(frame))
    features = [
        pa.array(frame[name], feature_type(kind), from_pandas=True)
        for name, kind in zip(model.features, model.kinds, strict=True)
    ]
    ids = [
        hashlib.sha256(f"{project.name}|{version.number}|{entity}".encode()).hexdigest()[:32]
        for entity in entities
    ]
    return pa.table(
        {
            "prediction_id": ids,
            "entity_id": entities,
            "event_time": pa.array(pd.to_datetime(times, utc=True).dt.as_unit("us"), TIME),
            "served_at": pa.array(
                np.repeat(np.datetime64(as_of.replace(tzinfo=None), "us"), len(frame)), TIME
            ),
            "model": [project.name] * len(frame),
            "version": pa.array([version.number] * len(frame), pa.int64()),
            "features": pa.StructArray.from_arrays(features, model.features),
            "prediction": pa.array(rows, pa.list_(pa.float64())),
        }
    )


@step(retries=2, retry_delay_seconds=[5, 30])
def score_rows(
    project: Project, version: Version, start: datetime | None, end: datetime | None, as_of: datetime
) -> Scored:
    """Score the rows with an event time in [*start*, *end*) with *version*.

    Raises `DataError` if there is no row.
    """
    frame = read_source(project, start, end)
    if frame.empty:
        raise DataError(f"{project.path}: no row between {start} and {end}; nothing to score")
    model = load_model(f"models:/{version.model_id}")
    shaped = shape_predictions(project, model, version, frame, as_of)
    new = append_new_predictions(project.name, shaped)
    run = current()
    run.log_model_input(version.model_id)
    run.log_metrics({"rows": len(frame), "rows.new": new})
    run.tag(version=version.number)
    return Scored(version=version.number, rows=len(frame), new=new)
