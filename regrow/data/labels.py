"""The labels: the ground truth that came after the predictions.

A label is given by the prediction_id of one row, or by the entity_id of all rows of an entity. The same label twice
is one. A changed label keeps both: the last one counts, by the time when the truth was known (`labelled_at`), then
by the time when it arrived (`received_at`).
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from regrow.data.delta import TIME, append, open_table
from regrow.data.times import as_utc
from regrow.errors import DataError
from regrow.settings import load_settings

LABELS = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("entity_id", pa.string()),
        ("label", pa.float64()),
        ("label_text", pa.string()),
        ("labelled_at", TIME),
        ("received_at", TIME),
    ]
)
"""One of `prediction_id` and `entity_id` is null; a number stands in `label`, anything else in `label_text`."""

KEY = ["prediction_id", "entity_id"]
IDENTITY = [*KEY, "label", "label_text", "labelled_at"]
"""What two labels have in common that are the same one."""


def labels_path(model: str) -> Path:
    """Return the folder of *model*'s labels."""
    return load_settings().tables / "labels" / model


def append_labels(model: str, frame: pd.DataFrame, transaction: str, number: int = 1) -> int:
    """Append those of *frame* that *model*'s labels do not hold; return their number, 0 if it was done before.

    *frame* has `label`, `labelled_at`, `prediction_id` or `entity_id` (if a row has both, the prediction's counts)
    and, unless it is now, `received_at`. *number* must grow with each append of one *transaction*.
    Raises `DataError` if a column or a value is missing, `StateError` if the table cannot be written.
    """
    given = _shape(model, frame)
    new = _without_known(given, _read(model, given["labelled_at"].min(), given["labelled_at"].max()))
    if new.empty:
        return 0
    table = pa.Table.from_pandas(new, LABELS, preserve_index=False)
    return len(new) if append(labels_path(model), table, transaction, number) else 0


def select_changes(model: str, frame: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Keep those of *frame* that differ from what *model*'s labels say now; a correction was known at *as_of*.

    For a source that tells what is true and not when it was corrected.
    """
    given = _shape(model, frame)
    both = given.merge(_current(_read(model)), on=KEY, how="left", suffixes=("", "_before"))
    same = pd.Series(True, both.index)
    for name in ("label", "label_text"):
        old, new = both[f"{name}_before"], both[name]
        same &= (old == new) | (old.isna() & new.isna())
    corrected = both["labelled_at_before"].notna() & ~same
    times = both["labelled_at"].mask(corrected, pd.Timestamp(as_utc(as_of)))
    return _values(both.assign(labelled_at=times)[~same][LABELS.names])


def read_labels(model: str, as_of: datetime | None = None) -> pd.DataFrame:
    """Read the labels of *model* that counted at *as_of* (default: now), one for each prediction or entity.

    The columns are `prediction_id`, `entity_id`, one of them null, `label` and `labelled_at`.
    """
    end = None if as_of is None else pd.Timestamp(as_utc(as_of))
    return _values(_current(_read(model, end=end)))[[*KEY, "label", "labelled_at"]]


def label_history(model: str, prediction_id: str | None = None, entity_id: str | None = None) -> pd.DataFrame:
    """Read every label of one prediction, of one entity, or of all, in the order in which they counted."""
    known = _once(_read(model))
    for name, key in (("prediction_id", prediction_id), ("entity_id", entity_id)):
        known = known if key is None else known[known[name] == key]
    return _values(known)[[*KEY, "label", "labelled_at", "received_at"]]


def join_labels(rows: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of *rows* that have a label, with `label` and `labelled_at`: their own, or else their entity's.

    A shadow has the label of the row in `shadow_of`. *labels* is what `read_labels` gives.
    """
    identifiers = rows["prediction_id"]
    if "shadow_of" in rows:
        identifiers = rows["shadow_of"].fillna(identifiers)
    own = _places(labels["prediction_id"], identifiers)
    places = np.where(own >= 0, own, _places(labels["entity_id"], rows["entity_id"]))
    found = labels[["label", "labelled_at"]].iloc[places[places >= 0]]
    labelled = rows[places >= 0]
    return labelled.assign(label=found["label"].array, labelled_at=found["labelled_at"].array)


def _places(keys: pd.Series, wanted: pd.Series) -> np.ndarray:
    """Return the place of each of *wanted* among *keys*; -1 if it is not there."""
    known = np.flatnonzero(keys.notna())
    places = pd.Index(keys.iloc[known]).get_indexer(pd.Index(wanted.astype(keys.dtype)))
    return np.where(places >= 0, known.take(places, mode="clip") if len(known) else -1, -1)


def _shape(model: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return *frame* with the columns and types of `LABELS`."""
    _check(model, frame)
    numbers = pd.to_numeric(frame["label"], errors="coerce").astype("float64")
    text = frame["label"].astype("object").map(str).where(numbers.isna(), None)
    prediction, entity = (frame.get(name, pd.Series(None, frame.index, object)) for name in KEY)
    received = frame.get("received_at", pd.Series(datetime.now(UTC), frame.index))
    columns = {
        "prediction_id": prediction.map(str, na_action="ignore"),
        "entity_id": entity.map(str, na_action="ignore").where(prediction.isna(), None),
        "label": numbers,
        "label_text": text,
        "labelled_at": pd.to_datetime(frame["labelled_at"], utc=True).dt.as_unit("us"),
        "received_at": pd.to_datetime(received, utc=True).dt.as_unit("us"),
    }
    texts = dict.fromkeys([*KEY, "label_text"], "str")
    return pd.DataFrame(columns).astype(texts).reset_index(drop=True)


def _check(model: str, frame: pd.DataFrame) -> None:
    """Raise `DataError` if *frame* lacks a column, or a row lacks its label, its time or what it is of."""
    missing = [name for name in ("label", "labelled_at") if name not in frame]
    keys = [name for name in KEY if name in frame]
    if missing or not keys:
        raise DataError(
            f"labels of {model}: column {[*missing, 'entity_id'][0]!r} is missing; "
            "give label, labelled_at, and entity_id or prediction_id"
        )
    empty = frame[["label", "labelled_at"]].isna().any(axis=1) | frame[keys].isna().all(axis=1)
    if empty.any():
        raise DataError(
            f"labels of {model}: row {int(empty.to_numpy().argmax())} lacks its label, its time or its identifier; "
            "leave it out until the truth is known"
        )


def _read(model: str, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None) -> pd.DataFrame:
    """Read the rows of *model*'s labels whose truth was known in [*start*, *end*], in the order they count."""
    table = open_table(labels_path(model))
    dataset = None if table is None else table.to_pyarrow_dataset()
    within = pc.scalar(True)
    if start is not None:
        within &= pc.field("labelled_at") >= pa.scalar(start, TIME)
    if end is not None:
        within &= pc.field("labelled_at") <= pa.scalar(end, TIME)
    data = LABELS.empty_table() if dataset is None else dataset.to_table(filter=within)
    for field in LABELS:
        if field.name not in data.schema.names:
            data = data.append_column(field, pa.nulls(data.num_rows, field.type))
    order = ["labelled_at", "received_at", "label", "label_text"]
    return data.select(LABELS.names).to_pandas().sort_values(order, na_position="first", ignore_index=True)


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the first arrival of each label among *rows*, in their order."""
    return rows.drop_duplicates(IDENTITY, keep="first")


def _current(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the label of each prediction and entity among *rows* that counts."""
    return _once(rows).drop_duplicates(KEY, keep="last")


def _without_known(given: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Leave out of *given* what is among *known* already and did not arrive earlier than that."""
    arrived = _once(known)[[*IDENTITY, "received_at"]]
    both = given.merge(arrived, on=IDENTITY, how="left", suffixes=("", "_before"), indicator=True)
    new = (both["_merge"] == "left_only") | (both["received_at"] < both["received_at_before"])
    return given[new.to_numpy()]


def _values(rows: pd.DataFrame) -> pd.DataFrame:
    """Put the texts among the labels of *rows* into `label`."""
    if rows["label_text"].notna().any():
        rows = rows.assign(
            label=rows["label"].astype("object").where(rows["label_text"].isna(), rows["label_text"])
        )
    return rows.drop(columns="label_text").reset_index(drop=True)
