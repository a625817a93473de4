"""A chunk of rows that is scored: named, predicted, and shaped for the prediction log and for a destination."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from regrow.data.delta import TIME
from regrow.data.known_rows import Recurrence
from regrow.data.predictions import feature_type
from regrow.data.rows import Named, entity_names, ids_of, keys_of, name_rows
from regrow.data.times import as_utc, in_utc
from regrow.models.metrics import Floats, decide_by
from regrow.models.stored import LoadedModel
from regrow.project import Data
from regrow.project.scoring import DECISION, HELD_BACK


@dataclass(frozen=True)
class Batch:
    """Rows that a version is to predict, each by its name."""

    model: str
    version: int
    data: Data
    frame: pd.DataFrame
    features: pd.DataFrame
    """The rows as the model takes them."""
    named: Named
    held: NDArray[np.bool_] | None = None
    """Which rows' predictions are held back; None if no share is."""

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def ids(self) -> pa.Array:
        """The ids of their predictions; to make them takes as long as many a model, so it is left to who needs them."""
        return pa.array(ids_of(self.model, self.version, self.named), pa.string())

    def take(self, rows: NDArray[np.bool_], columns: Collection[str]) -> "Batch":
        """Return the batch of *rows* alone, and of its frame what names them and *columns*."""
        frame = self.frame[[name for name in self.frame if name in {*self.data.key_columns, *columns}]]
        if rows.all():
            return replace(self, frame=frame)
        pieces = (self.named.names, self.named.times, self.named.places)
        named = Named(*(piece[rows].reset_index(drop=True) for piece in pieces))
        frame, features = (part[rows].reset_index(drop=True) for part in (frame, self.features))
        held = None if self.held is None else self.held[rows]
        return replace(self, frame=frame, features=features, named=named, held=held)

    def times(self, as_of: datetime) -> pd.Series:
        """Return the event time of each row; without one it is *as_of*."""
        column = self.data.timestamp
        if column is None:
            return pd.Series(pd.Timestamp(as_utc(as_of)), self.frame.index).dt.as_unit("us")
        return in_utc(self.frame[column]).dt.as_unit("us")


def read_batch(
    name: str,
    version: int,
    data: Data,
    model: LoadedModel,
    frame: pd.DataFrame,
    *,
    untyped: bool,
    earlier: Recurrence | None = None,
) -> Batch:
    """Read *frame* as *model*, which is *version* of *name*, takes it, and name its rows.

    *earlier* counts the rows of the chunks before. Raises `DataError` naming a value that does not fit the model.
    """
    features = model.contract.read(frame, untyped=untyped)
    named = name_rows(frame, features, data, earlier)
    return Batch(name, version, data, frame, features, named)


@dataclass(frozen=True)
class Lacking:
    """The rows of a batch that the prediction log or the destination lacks, and which of them lacks which."""

    batch: Batch
    unlogged: NDArray[np.bool_]
    undelivered: NDArray[np.bool_]


@dataclass(frozen=True)
class Answered:
    """Predictions as they are kept: for the log, and for the destination if there is one."""

    logged: pa.Table
    delivered: pa.Table | None


@dataclass(frozen=True)
class Predictor:
    """Predicts the rows that are lacking, in this process or, with its model, in another one."""

    model: LoadedModel
    as_of: datetime
    carried: dict[str, pa.DataType] | None
    """The columns that go along to the destination; None without one."""

    def __call__(self, lacking: Lacking) -> Answered:
        """Predict the rows that are *lacking*; raises `DataError` if the model refuses them."""
        batch, delivered = lacking.batch, None
        prediction = self.model.predict_read(batch.features)
        if self.carried is not None:
            shaped = delivered_rows(batch, prediction, self.model, self.as_of, self.carried)
            delivered = shaped.filter(pa.array(lacking.undelivered))
        logged = logged_rows(batch, prediction, self.model, self.as_of).filter(pa.array(lacking.unlogged))
        return Answered(logged, delivered)


def logged_rows(batch: Batch, prediction: Floats, model: LoadedModel, as_of: datetime) -> pa.Table:
    """Shape *batch* and its *prediction*, made at *as_of*, like the prediction log."""
    rows = len(batch)
    columns = {
        "prediction_id": batch.ids,
        "entity_id": pa.array(entity_names(batch.frame, batch.data).replace("", None), pa.string()),
        "row_key": pa.array(keys_of(batch.named, batch.frame, batch.data), pa.string()),
        "event_time": pa.array(batch.times(as_of), TIME),
        "served_at": _repeat(as_utc(as_of), rows, TIME),
        "model": _repeat(batch.model, rows, pa.string()),
        "version": _repeat(batch.version, rows, pa.int64()),
    } | _held(batch)
    if model.features:
        kinds = model.contract.types.items()
        logged = [_in_one_piece(batch.features[name], feature_type(kind)) for name, kind in kinds]
        columns["features"] = pa.StructArray.from_arrays(logged, model.features)
    flat = np.ascontiguousarray(prediction, dtype=np.float64).reshape(rows, -1)
    offsets = np.arange(rows + 1, dtype=np.int32) * flat.shape[1]
    return pa.table(columns | {"prediction": pa.ListArray.from_arrays(offsets, flat.ravel())})


def delivered_rows(
    batch: Batch,
    prediction: Floats,
    model: LoadedModel,
    as_of: datetime,
    carried: dict[str, pa.DataType],
) -> pa.Table:
    """Shape *batch* and its *prediction*, made at *as_of*, like a destination, with the columns that are *carried*.

    Rows of a version that holds some back have `held_back`. A regression has `prediction`, a classifier `decision` and
    `probability_CLASS` for each class.
    """
    rows, data = len(batch), batch.data
    columns = {
        "prediction_id": batch.ids,
        "row_key": pa.array(keys_of(batch.named, batch.frame, data), pa.string()),
        "event_time": pa.array(batch.times(as_of), TIME),
        "model": _repeat(batch.model, rows, pa.string()),
        "version": _repeat(batch.version, rows, pa.int64()),
        "scored_at": _repeat(as_utc(as_of), rows, TIME),
    } | _held(batch)
    columns |= {name: _in_one_piece(batch.frame[name], kind) for name, kind in carried.items()}
    if model.facts.kind == "regression":
        return pa.table(columns | {"prediction": pa.array(prediction, pa.float64())})
    classes = {
        f"probability_{name}": pa.array(prediction[:, place])
        for place, name in enumerate(model.facts.classes)
    }
    return pa.table(columns | {DECISION: decided(prediction, model)} | classes)


def _held(batch: Batch) -> dict[str, pa.Array]:
    """Return the column that says which rows of *batch* are held back; none if no share is."""
    return {} if batch.held is None else {HELD_BACK: pa.array(batch.held, pa.bool_())}


def decided(prediction: Floats, model: LoadedModel) -> pa.Array:
    """Return the class that *model* decides for in each row of *prediction*: by its threshold, else the likeliest one.

    A row without a prediction has none.
    """
    facts = model.facts
    judged = prediction if facts.threshold is None else decide_by(prediction, facts.threshold)
    lacking = np.isnan(judged).any(axis=1)
    places = np.where(lacking, 0, np.where(np.isnan(judged), 0, judged).argmax(axis=1))
    return pa.array(list(facts.classes)).take(pa.array(places, pa.int64(), mask=lacking))


def carried_types(
    frame: Mapping[str, pd.Series] | pd.DataFrame, columns: tuple[str, ...], data: Data
) -> dict[str, pa.DataType]:
    """Return the type in which each of *columns*, with values as in *frame*, is carried along, after what names rows.

    A name is text; a number is a double, whatever the first rows look like.
    """
    named = [name for name in (data.id, data.entity) if name is not None]
    kinds = {name: _kind(frame[name]) for name in columns}
    return dict.fromkeys(named, pa.string()) | kinds


def _kind(values: pd.Series) -> pa.DataType:
    """Return the Arrow type for *values*."""
    if pd.api.types.is_bool_dtype(values.dtype) or set(map(type, values.dropna())) == {bool}:
        return pa.bool_()  # With gaps they are objects.
    if pd.api.types.is_numeric_dtype(values.dtype):
        return pa.float64()
    return TIME if pd.api.types.is_datetime64_any_dtype(values.dtype) else pa.string()


def _repeat(value: object, rows: int, kind: pa.DataType) -> pa.Array:
    """Return *value* in each of *rows* rows."""
    return pa.repeat(pa.scalar(value, kind), rows)


def _in_one_piece(column: pd.Series, kind: pa.DataType) -> pa.Array:
    """Return *column* in the type *kind*, in one piece: text that was joined from files has several."""
    if pa.types.is_string(kind) and not isinstance(column.dtype, pd.StringDtype):
        column = column.map(str, na_action="ignore").astype("object")
    array = pa.array(column, kind, from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
