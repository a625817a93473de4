"""Append-only Delta Lake tables: every prediction that was served, and the labels that came later.

An append carries a *transaction*, the name of its writer, and a *number* that grows with each of the writer's
appends; both stand in Delta's own commit. Replaying an append therefore changes nothing.
"""

import errno
import os
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from regrow.errors import DataError, StateError
from regrow.settings import load_settings

TIME = pa.timestamp("us", tz="UTC")
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

LABELS = pa.schema(
    [("entity_id", pa.string()), ("label", pa.float64()), ("label_text", pa.string()), ("labelled_at", TIME)]
)
"""The ground truth: a number stands in `label`, anything else in `label_text`."""

META = ("prediction_id", "entity_id", "event_time", "served_at", "version", "prediction")
PROPERTIES = {"delta.logRetentionDuration": "interval 1 days", "delta.checkpointInterval": "50"}
VACUUM_HOURS = 1
ATTEMPTS = 8
_ONE_WRITER = threading.Lock()


def feature_type(mlflow_type: str) -> pa.DataType:
    """Give the type in which a column of *mlflow_type* is logged; every number is a double."""
    if mlflow_type in {"long", "integer", "float", "double"}:
        return pa.float64()
    return {"boolean": pa.bool_(), "datetime": TIME}.get(mlflow_type, pa.string())


def predictions_path(model: str) -> Path:
    """Give the folder of *model*'s prediction log."""
    return load_settings().tables / "predictions" / model


def labels_path(model: str) -> Path:
    """Give the folder of *model*'s labels."""
    return load_settings().tables / "labels" / model


def committed(path: Path, transaction: str) -> int:
    """Give the last number that *transaction* committed to the table at *path*; 0 where there is none."""
    table = _open(path)
    return 0 if table is None else table.transaction_version(transaction) or 0


def append_predictions(model: str, table: pa.Table, transaction: str, number: int = 1) -> bool:
    """Append *table* (of the shape `PREDICTIONS`) to *model*'s log; False where that was done before.

    *number* must grow with each append of one *transaction*. A column of `features` that is new to the log is
    added; one whose type has changed is added as `<name>__<type>`.
    Raises `StateError` where the table cannot be written.
    """
    return _append(predictions_path(model), table, transaction, number)


def append_labels(model: str, frame: pd.DataFrame, transaction: str, number: int = 1) -> bool:
    """Append *frame* (`entity_id`, `label`, `labelled_at`) to *model*'s labels; False where done before.

    Raises `DataError` where a column is missing, `StateError` where the table cannot be written.
    """
    missing = sorted({"entity_id", "label", "labelled_at"} - set(frame.columns))
    if missing:
        raise DataError(
            f"labels of {model}: column {missing[0]!r} is missing; give entity_id, label and labelled_at"
        )
    numbers = pd.to_numeric(frame["label"], errors="coerce").astype("float64")
    text = frame["label"].astype("object").where(numbers.isna() & frame["label"].notna(), None)
    columns = {
        "entity_id": pa.array(map(str, frame["entity_id"]), pa.string()),
        "label": pa.array(numbers, pa.float64(), from_pandas=True),
        "label_text": pa.array([None if value is None else str(value) for value in text], pa.string()),
        "labelled_at": pa.array(pd.to_datetime(frame["labelled_at"], utc=True).dt.as_unit("us"), TIME),
    }
    return _append(labels_path(model), pa.table(columns, schema=LABELS), transaction, number)


def read_predictions(
    model: str, start: datetime | None = None, end: datetime | None = None, max_rows: int | None = None
) -> pd.DataFrame:
    """Read *model*'s predictions with an event time in [*start*, *end*), each feature as a column.

    What is not a feature stands in `_prediction_id`, `_entity_id`, `_event_time`, `_served_at`, `_version`
    and `_prediction`. Of more than *max_rows* rows a sample is drawn that is the same each time, whatever the
    order of the rows; memory follows the sample, not the log. Without a log the frame is empty.
    """
    table = _open(predictions_path(model))
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
    table = _open(predictions_path(model))
    return 0 if table is None else table.to_pyarrow_dataset().count_rows(filter=_between(start, end))


def read_labels(model: str) -> pd.DataFrame:
    """Read *model*'s labels as `entity_id`, `label`, `labelled_at`; the last label of an entity wins."""
    table = _open(labels_path(model))
    data = LABELS.empty_table() if table is None else table.to_pyarrow_dataset().to_table()
    frame = data.to_pandas().sort_values("labelled_at", kind="stable")
    frame = frame.drop_duplicates("entity_id", keep="last").reset_index(drop=True)
    if frame["label_text"].notna().any():
        frame["label"] = (
            frame["label"].astype("object").where(frame["label_text"].isna(), frame["label_text"])
        )
    return frame[["entity_id", "label", "labelled_at"]]


def find_prediction(prediction_id: str) -> dict[str, Any] | None:
    """Find the row of *prediction_id* in any model's log."""
    folder = load_settings().tables / "predictions"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        table = _open(path)
        if table is None:
            continue
        found = table.to_pyarrow_dataset().to_table(filter=pc.field("prediction_id") == prediction_id)
        if found.num_rows:
            return found.to_pylist()[0]
    return None


def compact(path: Path) -> None:
    """Fold the small files of the table at *path* into large ones; remove what no reader still reads."""
    table = _open(path)
    if table is None:
        return
    try:
        table.optimize.compact()
        table.vacuum(VACUUM_HOURS, dry_run=False, enforce_retention_duration=False)
    except (DeltaError, OSError) as error:
        raise StateError(f"{path}: the table cannot be compacted ({error}); it stays as it is") from error


def _open(path: Path) -> DeltaTable | None:
    """Open the table at *path*; None where there is none."""
    return DeltaTable(str(path)) if DeltaTable.is_deltatable(str(path)) else None


def _append(path: Path, table: pa.Table, transaction: str, number: int) -> bool:
    """Append *table* to the table at *path* unless *transaction* has come to *number* already."""
    if "features" in table.schema.names and table.schema.field("features").type.num_fields == 0:
        table = table.drop_columns(["features"])
    properties = CommitProperties(app_transactions=[Transaction(transaction, number)])
    for attempt in range(ATTEMPTS):
        logged = _open(path)
        if logged is not None and (logged.transaction_version(transaction) or 0) >= number:
            return False
        try:
            _write(path, _reconcile(table, logged), properties)
        except CommitFailedError as error:
            if attempt == ATTEMPTS - 1:
                raise StateError(f"{path}: other writers came first {ATTEMPTS} times; try again") from error
            time.sleep(0.05 * 2**attempt)
        else:
            return True
    return False


def _reconcile(table: pa.Table, logged: DeltaTable | None) -> pa.Table:
    """Rename the features of *table* that have another type in the log than they have here."""
    position = table.schema.get_field_index("features")
    schema = None if logged is None else logged.to_pyarrow_dataset().schema
    if position < 0 or schema is None or "features" not in schema.names:
        return table
    known = {field.name: field.type for field in schema.field("features").type}
    struct = table.column("features").combine_chunks()
    names = [
        field.name if known.get(field.name, field.type) == field.type else f"{field.name}__{field.type}"
        for field in struct.type
    ]
    return table.set_column(position, "features", pa.StructArray.from_arrays(struct.flatten(), names))


def _write(path: Path, table: pa.Table, properties: CommitProperties) -> None:
    """Commit *table* to the table at *path*, creating it where there is none."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with _ONE_WRITER:
            write_deltalake(
                str(path),
                table,
                mode="append",
                schema_mode="merge",
                configuration=PROPERTIES,
                commit_properties=properties,
            )
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = "make room or give another folder by REGROW_HOME"
        if error.errno not in {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT, None}:
            remedy = "see that the folder can be written"
        raise StateError(f"{path}: {table.num_rows} rows cannot be appended ({reason}); {remedy}") from error


def _between(start: datetime | None, end: datetime | None) -> ds.Expression | None:
    """Say which rows have an event time in [*start*, *end*)."""
    bounds = []
    if start is not None:
        bounds.append(pc.field("event_time") >= pa.scalar(_utc(start), TIME))
    if end is not None:
        bounds.append(pc.field("event_time") < pa.scalar(_utc(end), TIME))
    if not bounds:
        return None
    return bounds[0] if len(bounds) == 1 else bounds[0] & bounds[1]


def _utc(moment: datetime) -> pd.Timestamp:
    """Read *moment* as UTC where it names no time zone."""
    stamp = pd.Timestamp(moment)
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")


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


def append_new_predictions(model: str, table: pa.Table, transaction: str = "score") -> int:
    """Append the rows of *table* whose prediction_id is not in *model*'s log yet; give their number.

    Another writer of the same *transaction* that commits in between makes the comparison start again.
    """
    path = predictions_path(model)
    times = table.column("event_time").to_pandas()
    for _ in range(ATTEMPTS):
        number = committed(path, transaction) + 1
        logged = _open(path)
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
