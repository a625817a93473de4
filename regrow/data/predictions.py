"""The prediction log: every prediction that was served or scored, with the features it was made from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from regrow.base.places import Place
from regrow.base.settings import load_settings
from regrow.data.delta import TIME, append, find_tables, open_table, scan
from regrow.data.sampling import BELOW, TIER, draw, tiers
from regrow.data.times import as_utc

PREDICTIONS = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("entity_id", pa.string()),
        ("row_key", pa.string()),
        ("request_id", pa.string()),
        ("event_time", TIME),
        ("served_at", TIME),
        ("model", pa.string()),
        ("version", pa.int64()),
        ("role", pa.string()),
        ("rollout", pa.string()),
        ("stage", pa.int64()),
        ("fallback", pa.string()),
        ("seconds", pa.float64()),
        ("shadow_of", pa.string()),
        ("held_back", pa.bool_()),
        ("prediction", pa.list_(pa.float64())),
        ("features", pa.struct([])),
    ]
)
"""The prediction log; `features` holds the model's raw columns and grows with them.

`row_key` names the row, `entity_id` whom it is about, which is the same if the model's rows do not recur. Logs from
before version 0.3 have no `row_key`.
`request_id` names the request of several rows that a row came with, by the prediction of its first row; null if it
came alone. Logs from before version 0.4 have none: there a request is what one version answered at one moment.
`role` says what answered: champion, challenger, or shadow, which the client never saw. `rollout` and `stage` name
the rollout that was going on. `fallback` says why the challenger did not answer this row (raised, timeout, not
finite). `seconds` runs from the request's arrival to its answer, for a shadow over its own prediction. A shadow
names in `shadow_of` the row that the client got; its features stand there, and its prediction is null if it
failed. Logs from before rollouts have none of these columns: their rows are a champion's.
`held_back` says whether the client was asked not to act on the prediction (`deployment.hold_back`); null if no share
was held back, and in logs from before version 0.4.
"""

CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
SERVED = (CHAMPION, CHALLENGER)
"""The roles whose answers a client got."""

META = (
    "prediction_id", "entity_id", "row_key", "request_id", "event_time", "served_at", "version", "role", "prediction",
    "held_back",
)  # fmt: skip


@dataclass(frozen=True)
class LoggedPredictions:
    """Rows of the prediction log in two frames of the same order: a feature may have any name, also one of ours."""

    rows: pd.DataFrame
    """The columns `META`."""
    features: pd.DataFrame
    """The raw columns that the predictions were made from."""


def feature_type(mlflow_type: str) -> pa.DataType:
    """Return the type in which a column of *mlflow_type* is logged; every number is a double."""
    if mlflow_type in {"long", "integer", "float", "double"}:
        return pa.float64()
    return {"boolean": pa.bool_(), "datetime": TIME}.get(mlflow_type, pa.string())


def predictions_path(model: str) -> Place:
    """Return the folder of *model*'s prediction log."""
    return load_settings().tables / "predictions" / model


def append_predictions(model: str, table: pa.Table, transaction: str, number: int = 1) -> bool:
    """Append *table* to *model*'s log; return False if that was done before.

    *table* has the shape of `PREDICTIONS`, with or without what rollouts add. *number* must grow with each append
    of one *transaction*. A column of `features` that is new to the log is added; one whose type has changed is
    added as `<name>__<type>`.
    Raises `StateError` if the table cannot be written.
    """
    known = [field for field in PREDICTIONS if field.name in table.schema.names]
    columns = {field.name: _cast(table.column(field.name), field) for field in known}
    columns[TIER] = _set_shadows_apart(tiers(table.column("prediction_id")), table)
    return append(predictions_path(model), pa.table(columns), transaction, number, TIER)


def _set_shadows_apart(found: pa.Array, table: pa.Table) -> pa.Array:
    """Return the tiers that were *found*, with the shadows of *table* in one of their own, below all others."""
    if "role" not in table.schema.names:
        return found
    roles = table.column("role").to_pylist()
    return pa.array(
        [BELOW if role == SHADOW else tier for role, tier in zip(roles, found.to_pylist(), strict=True)],
        found.type,
    )


def scan_predictions(
    model: str,
    start: datetime | None = None,
    end: datetime | None = None,
    roles: Collection[str] = SERVED,
    version: int | None = None,
) -> ds.Dataset | None:
    """Open *model*'s predictions of *roles* with an event time in [*start*, *end*); None without a log.

    *version* names the state of the log that is read; None: the newest.
    """
    dataset = scan(predictions_path(model), version)
    if dataset is None:
        return None
    rows = _of_roles(roles, dataset.schema)
    if start is not None:
        rows &= pc.field("event_time") >= pa.scalar(as_utc(start), TIME)
    if end is not None:
        rows &= pc.field("event_time") < pa.scalar(as_utc(end), TIME)
    return dataset.filter(rows)


def read_predictions(
    model: str,
    start: datetime | None = None,
    end: datetime | None = None,
    max_rows: int | None = None,
    roles: Collection[str] = SERVED,
    version: int | None = None,
) -> LoggedPredictions:
    """Read *model*'s predictions of *roles* with an event time in [*start*, *end*), from *version* of the log.

    Of more than *max_rows* rows a sample is drawn that is the same each time, whatever the order of the rows;
    memory follows the sample, not the log. Without a log both frames are empty.
    """
    dataset = scan_predictions(model, start, end, roles, version)
    if dataset is None:
        return _split(PREDICTIONS.empty_table())
    return _split(dataset.to_table() if max_rows is None else draw(dataset, max_rows))


def read_answers(
    model: str, start: datetime | None = None, end: datetime | None = None, max_rows: int | None = None
) -> pd.DataFrame:
    """Read the columns `META` of what `read_predictions` reads: without the features, which take the most time."""
    dataset = scan_predictions(model, start, end)
    if dataset is None:
        return PREDICTIONS.empty_table().select(list(META)).to_pandas()
    columns = [name for name in META if name in dataset.schema.names]
    table = dataset.to_table(columns) if max_rows is None else draw(dataset, max_rows, columns)
    return complete(table).select(list(META)).to_pandas()


def read_row_names(
    model: str,
    start: datetime | None = None,
    end: datetime | None = None,
    entities: Sequence[str] | None = None,
    more: Sequence[str] = (),
) -> pd.DataFrame:
    """Read what names the rows of *model*'s log with an event time in [*start*, *end*), of *entities* alone if given.

    The columns are `row_key`, `entity_id`, `event_time` and *more*: a row that several versions predicted stands there
    as often.
    """
    names, dataset = ["row_key", "entity_id", "event_time", *more], scan_predictions(model, start, end)
    if dataset is None:
        return PREDICTIONS.empty_table().select(names).to_pandas()
    wanted = None if entities is None else pc.field("entity_id").isin(pa.array(entities, pa.string()))
    known = [name for name in names if name in dataset.schema.names]
    return complete(dataset.to_table(known, filter=wanted)).select(names).to_pandas()


def knows_row_keys(model: str) -> bool:
    """Return whether a row of *model*'s log has a row key: batch scoring writes one, the server if it is told one."""
    dataset = scan_predictions(model)
    if dataset is None or "row_key" not in dataset.schema.names:
        return False
    return bool(dataset.head(1, columns=["row_key"], filter=pc.field("row_key") > "").num_rows)


def count_predictions(
    model: str,
    start: datetime | None = None,
    end: datetime | None = None,
    roles: Collection[str] = SERVED,
) -> int:
    """Count *model*'s predictions of *roles* with an event time in [*start*, *end*) without reading them."""
    dataset = scan_predictions(model, start, end, roles)
    return 0 if dataset is None else dataset.count_rows()


def count_served(model: str) -> int:
    """Count all of *model*'s predictions that a client got, by what the log says of its files: none is read."""
    table = open_table(predictions_path(model))
    if table is None:
        return 0
    if TIER not in table.metadata().partition_columns:
        return count_predictions(model)
    files = pa.table(table.get_add_actions(flatten=True))
    return sum(files.filter(pc.field(f"partition.{TIER}") > BELOW).column("num_records").to_pylist())


def find_prediction(prediction_id: str, roles: Collection[str] = SERVED) -> dict[str, Any] | None:
    """Find the row of *prediction_id*, of one of *roles*, in any model's log."""
    for path in find_tables(load_settings().tables, "predictions"):
        dataset = scan_predictions(path.name, roles=roles)
        if dataset is None:
            continue
        found = dataset.to_table(filter=pc.field("prediction_id") == prediction_id)
        if found.num_rows:
            return complete(found).to_pylist()[0]
    return None


def count_unknown(model: str, prediction_ids: Collection[str]) -> int:
    """Count those of *prediction_ids* that no prediction in *model*'s log has."""
    dataset = scan_predictions(model)
    if dataset is None or not prediction_ids:
        return len(prediction_ids)
    asked = pa.array(prediction_ids, pa.string())
    found = dataset.to_table(columns=["prediction_id"], filter=pc.field("prediction_id").isin(asked))
    return len(prediction_ids) - len(found["prediction_id"].unique())


def complete(table: pa.Table) -> pa.Table:
    """Add the columns of `PREDICTIONS` that an old log lacks; a row without a role is a champion's."""
    table = table.drop_columns([TIER]) if TIER in table.schema.names else table
    for field in PREDICTIONS:
        if field.name not in table.schema.names and field.name != "features":
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    position = table.schema.get_field_index("role")
    return table.set_column(position, "role", pc.fill_null(table.column(position), CHAMPION))


def _of_roles(roles: Collection[str], schema: pa.Schema) -> pc.Expression:
    """Return the filter for the rows of *roles* in a log of *schema*."""
    if "role" not in schema.names:
        return pc.scalar(CHAMPION in roles)
    # Never is_null(): of a file that lacks the column, Delta's statistics wrongly tell Arrow that it holds no null.
    role = pc.coalesce(pc.field("role"), pa.scalar(CHAMPION))  # pyright: ignore[reportAttributeAccessIssue]
    return role.isin(list(roles))


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """Cast *column* to the type of *field*; features have their own."""
    return column if field.name == "features" else column.cast(field.type)


def _split(table: pa.Table) -> LoggedPredictions:
    """Split *table* into what Regrow logged of each row and the features."""
    rows = complete(table).select(list(META)).to_pandas()
    if "features" not in table.schema.names:
        return LoggedPredictions(rows, pd.DataFrame(index=rows.index))
    struct = table.column("features").combine_chunks()
    features = pa.table(dict(zip(struct.type.names, struct.flatten(), strict=True)))
    return LoggedPredictions(rows, features.to_pandas())
