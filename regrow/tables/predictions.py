"""The prediction log: every prediction that was served or scored, with the features it was made from."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from regrow.errors import StateError
from regrow.moments import as_utc
from regrow.settings import load_settings
from regrow.tables.delta import ATTEMPTS, TIME, append, committed, open_table

PREDICTIONS = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("entity_id", pa.string()),
        ("event_time", TIME),
        ("served_at", TIME),
        ("model", pa.string()),
        ("version", pa.int64()),
        ("features", pa.struct([])),
        ("prediction", pa.list_(pa.float64())),
    ]
)
"""The prediction log; `features` holds the model's raw columns and grows with them."""

META = ("prediction_id", "entity_id", "event_time", "served_at", "version", "prediction")


def feature_type(mlflow_type: str) -> pa.DataType:
    """Give the type in which a column of *mlflow_type* is logged; every number is a double."""
    if mlflow_type in {"long", "integer", "float", "double"}:
        return pa.float64()
    return {"boolean": pa.bool_(), "datetime": TIME}.get(mlflow_type, pa.string())


def predictions_path(model: str) -> Path:
    """Give the folder of *model*'s prediction log."""
    return load_settings().tables / "predictions" / model


def append_predictions(model: str, table: pa.Table, transaction: str, number: int = 1) -> bool:
    """Append *table* (of the shape `PREDICTIONS`) to *model*'s log; False where that was done before.

    *number* must grow with each append of one *transaction*. A column of `features` that is new to the log is
    added; one whose type has changed is added as `<name>__<type>`.
    Raises `StateError` where the table cannot be written.
    """
    return append(predictions_path(model), table, transaction, number)


def append_new_predictions(model: str, table: pa.Table, transaction: str = "score") -> int:
    """Append the rows of *table* whose prediction_id is not in *model*'s log yet; give their number.

    Another writer of the same *transaction* that commits in between makes the comparison start again.
    """
    path = predictions_path(model)
    times = table.column("event_time").to_pandas()
    for _ in range(ATTEMPTS):
        number = committed(path, transaction) + 1
        logged = open_table(path)
        if logged is None:
            known = pa.array([], pa.string())
        else:
            within = (pc.field("event_time") >= pa.scalar(times.min(), TIME)) & (
                pc.field("event_time") <= pa.scalar(times.max(), TIME)
            )
            known = logged.to_pyarrow_dataset().to_table(["prediction_id"], filter=within).column(0)
        new = table.filter(~pc.field("prediction_id").isin(known))
        if new.num_rows == 0 or append_predictions(model, new, transaction, number):
            return new.num_rows
    raise StateError(f"{path}: other writers came first {ATTEMPTS} times; try again")


def read_predictions(
    model: str, start: datetime | None = None, end: datetime | None = None, max_rows: int | None = None
) -> pd.DataFrame:
    """Read *model*'s predictions with an event time in [*start*, *end*), each feature as a column.

    What is not a feature stands in `_prediction_id`, `_entity_id`, `_event_time`, `_served_at`, `_version`
    and `_prediction`. Of more than *max_rows* rows a sample is drawn that is the same each time, whatever the
    order of the rows; memory follows the sample, not the log. Without a log the frame is empty.
    """
    table = open_table(predictions_path(model))
    if table is None:
        return _flatten(PREDICTIONS.empty_table())
    dataset = table.to_pyarrow_dataset()
    within = _between(start, end)
    rows = dataset.count_rows(filter=within) if max_rows is not None else 0
    if max_rows is None or rows <= max_rows:
        return _flatten(dataset.to_table(filter=within))
    return _flatten(_sample(dataset, within, max_rows, rows))


def count_predictions(model: str, start: datetime | None = None, end: datetime | None = None) -> int:
    """Count *model*'s predictions with an event time in [*start*, *end*) without reading them."""
    table = open_table(predictions_path(model))
    return 0 if table is None else table.to_pyarrow_dataset().count_rows(filter=_between(start, end))


def find_prediction(prediction_id: str) -> dict[str, Any] | None:
    """Find the row of *prediction_id* in any model's log."""
    folder = load_settings().tables / "predictions"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        table = open_table(path)
        if table is None:
            continue
        found = table.to_pyarrow_dataset().to_table(filter=pc.field("prediction_id") == prediction_id)
        if found.num_rows:
            return found.to_pylist()[0]
    return None


def _between(start: datetime | None, end: datetime | None) -> ds.Expression | None:
    """Say which rows have an event time in [*start*, *end*)."""
    bounds = []
    if start is not None:
        bounds.append(pc.field("event_time") >= pa.scalar(as_utc(start), TIME))
    if end is not None:
        bounds.append(pc.field("event_time") < pa.scalar(as_utc(end), TIME))
    if not bounds:
        return None
    return bounds[0] if len(bounds) == 1 else bounds[0] & bounds[1]


def _sample(dataset: ds.Dataset, within: ds.Expression | None, max_rows: int, rows: int) -> pa.Table:
    """Keep the *max_rows* rows whose identifiers hash lowest, of the *rows* that are *within*."""
    limit = int(min(1.0, max_rows / rows * 1.1 + 10 / rows) * 2**64) - 1
    parts, keys = [], []
    for batch, hashes in _hashed(dataset, within):
        chosen = hashes <= limit
        parts.append(batch.filter(pa.array(chosen)))
        keys.append(pd.Series(hashes[chosen]))
    kept = pd.concat(keys, ignore_index=True)
    order = kept.sort_values(kind="stable").index[:max_rows].sort_values()
    return pa.Table.from_batches(parts, schema=dataset.schema).take(pa.array(order))


def _hashed(dataset: ds.Dataset, within: ds.Expression | None) -> Iterator[tuple[pa.RecordBatch, Any]]:
    """Yield the batches of *dataset*, each with the hash of every row's identifier."""
    for batch in dataset.to_batches(filter=within, batch_readahead=4, fragment_readahead=2):
        if batch.num_rows:
            identifiers = batch.column("prediction_id").to_numpy(zero_copy_only=False)
            yield batch, pd.util.hash_array(identifiers, categorize=False)


def _flatten(table: pa.Table) -> pd.DataFrame:
    """Turn *table* into a frame with a column per feature, after the columns that are not features."""
    columns = {f"_{name}": table.column(name) for name in META}
    if "features" in table.schema.names:
        struct = table.column("features").combine_chunks()
        fields = table.schema.field("features").type
        for index in range(fields.num_fields):
            columns[fields.field(index).name] = struct.field(index)
    return pa.table(columns).to_pandas()
