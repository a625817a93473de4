"""Score the rows of a period in batch and log each prediction once."""

import hashlib
import json
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from regrow.data.delta import TIME
from regrow.data.predictions import append_new_predictions, feature_type
from regrow.data.sources import as_names, read_source
from regrow.data.times import as_utc
from regrow.errors import DataError
from regrow.lineage import current, step
from regrow.models.stored import LoadedModel, load_model
from regrow.project import CsvSource, Data, Project
from regrow.registry import Version
from regrow.results import Scored


def name_predictions(
    model: str, version: int, frame: pd.DataFrame, features: pd.DataFrame, data: Data
) -> list[str]:
    """Return an id for the prediction of each row, the same whenever and with whatever rows it is scored.

    It follows from the model, the version, the row's key, its event time, and its place among rows that are equal
    in all of these. The key is the id; a row without one is named by its *features*.
    """
    keys = hash_rows(features).map("{:016x}".format)
    if data.id is not None:
        names = as_names(frame[data.id]).reset_index(drop=True)
        keys = names.where(names != "", keys)
    times = pd.Series("", index=keys.index)
    if data.timestamp is not None:
        moments = pd.to_datetime(frame[data.timestamp], utc=True).dt.as_unit("us").astype("int64")
        times = moments.astype(str).reset_index(drop=True)
    places = keys.groupby([keys, times]).cumcount()
    return [
        _short_hash(json.dumps([model, version, key, time, place]))
        for key, time, place in zip(keys, times, places.tolist(), strict=True)
    ]


def hash_rows(features: pd.DataFrame) -> pd.Series:
    """Hash each row of *features* by its values alone: a number is the same whether its column has gaps or not."""
    columns = {name: _comparable(features[name]) for name in features}
    return pd.util.hash_pandas_object(pd.DataFrame(columns, index=features.index), index=False)


def _comparable(column: pd.Series) -> pd.Series:
    """Return numbers and booleans as floats, with one zero and one NaN, and anything else as text."""
    if pd.api.types.is_numeric_dtype(column) or set(map(type, column)) <= {bool, type(None)}:
        numbers = column.astype("float64") + 0.0
        return numbers.mask(numbers.isna(), np.nan)
    return column.map(str, na_action="ignore").astype("str")


def name_as_before(model: str, version: int, frame: pd.DataFrame, data: Data) -> list[str]:
    """Return the ids that version 0.1 gave the predictions of *frame*, by which its rows in the log are known."""
    if data.id is not None:
        entities = [str(value) for value in frame[data.id]]
    else:
        content = pd.util.hash_pandas_object(frame, index=False)
        places = content.groupby(content).cumcount()
        entities = [f"{value:016x}-{place}" for value, place in zip(content, places, strict=True)]
    return [_short_hash(f"{model}|{version}|{entity}") for entity in entities]


def _short_hash(text: str) -> str:
    """Hash *text* to 128 bits."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def shape_predictions(
    project: Project, model: LoadedModel, version: Version, frame: pd.DataFrame, as_of: datetime
) -> pa.Table:
    """Predict *frame* and shape the result like the prediction log; a row's prediction_id is always the same."""
    data, rows = project.data, len(frame)
    features = model.contract.read(frame, untyped=isinstance(data.source, CsvSource))
    prediction = model.predict_read(features).reshape(rows, -1).tolist()
    moment = as_utc(as_of)
    times = frame[data.timestamp] if data.timestamp else pd.Series([moment] * rows)
    names = as_names(frame[data.id]).tolist() if data.id else [""] * rows
    return pa.table(
        {
            "prediction_id": name_predictions(project.name, version.number, frame, features, data),
            "entity_id": pa.array([name or None for name in names], pa.string()),
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

    Raises `DataError` if there is no row, or one that does not fit the model.
    """
    model = load_model(f"models:/{version.model_id}")
    types = model.contract.types.items()
    text = [name for name, kind in types if kind in {"string", "boolean"}]
    frame = read_source(project, start, end, text)
    if frame.empty:
        raise DataError(f"{project.path}: no row between {start} and {end}; nothing to score")
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
