"""Score the rows of a period in batch and log each prediction once."""

from datetime import datetime

import pandas as pd
import pyarrow as pa

from regrow.data.delta import TIME
from regrow.data.predictions import append_new_predictions, feature_type
from regrow.data.rows import check_row_keys, entity_names, name_as_before, name_predictions, row_keys
from regrow.data.sources import read_source
from regrow.data.times import as_utc
from regrow.errors import DataError
from regrow.lineage import current, step
from regrow.models.stored import LoadedModel, load_model
from regrow.project import CsvSource, Project
from regrow.registry import Version
from regrow.results import Scored


def shape_predictions(
    project: Project, model: LoadedModel, version: Version, frame: pd.DataFrame, as_of: datetime
) -> pa.Table:
    """Predict *frame* and shape the result like the prediction log; a row's prediction_id is always the same."""
    data, rows = project.data, len(frame)
    features = model.contract.read(frame, untyped=isinstance(data.source, CsvSource))
    prediction = model.predict_read(features).reshape(rows, -1).tolist()
    moment = as_utc(as_of)
    times = frame[data.timestamp] if data.timestamp else pd.Series([moment] * rows)
    return pa.table(
        {
            "prediction_id": name_predictions(project.name, version.number, frame, features, data),
            "entity_id": pa.array([name or None for name in entity_names(frame, data)], pa.string()),
            "row_key": pa.array(row_keys(frame, features, data), pa.string()),
            "event_time": pa.array(pd.to_datetime(times, utc=True).dt.as_unit("us"), TIME),
            "served_at": pa.array([moment] * rows, TIME),
            "model": [project.name] * rows,
            "version": pa.array([version.number] * rows, pa.int64()),
            "features": pa.StructArray.from_arrays(
                [_as_logged(features[name], kind) for name, kind in model.contract.types.items()],
                model.features,
            ),
            "prediction": pa.array(prediction, pa.list_(pa.float64())),
        }
    )


def _as_logged(column: pd.Series, mlflow_type: str) -> pa.Array:
    """Return *column* as the prediction log keeps it, in one piece: text that was joined from files has several."""
    array = pa.array(column, feature_type(mlflow_type), from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


@step(retries=2, retry_delay_seconds=[5, 30])
def score_rows(
    project: Project, version: Version, start: datetime | None, end: datetime | None, as_of: datetime
) -> Scored:
    """Score the rows with an event time in [*start*, *end*) with *version*.

    Raises `DataError` if there is no row, one that does not fit the model, or two of one `data.id`.
    """
    model = load_model(f"models:/{version.model_id}")
    types = model.contract.types.items()
    text = [name for name, kind in types if kind in {"string", "boolean"}]
    frame = read_source(project, start, end, text)
    if frame.empty:
        raise DataError(f"{project.path}: no row between {start} and {end}; nothing to score")
    check_row_keys(project, frame)
    shaped = shape_predictions(project, model, version, frame, as_of)
    former = name_as_before(project.name, version.number, frame, project.data)
    new = append_new_predictions(
        project.name, shaped, former=former, dated=project.data.timestamp is not None
    )
    run = current()
    run.log_model_input(version.model_id)
    run.log_metrics({"rows": len(frame), "rows.new": new})
    run.tag(version=version.number)
    return Scored(version=version.number, rows=len(frame), new=new)
