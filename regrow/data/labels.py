"""The labels: the ground truth that came after the predictions.

A label names what it is of by `prediction_id`, by `row_key`, by `entity_id` and `event_time`, or by `entity_id` alone.
The same label twice is one. A changed label keeps both: the last one counts, by the time when the truth was known
(`labelled_at`), then by the time when it arrived (`received_at`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from regrow.base.errors import DataError
from regrow.base.places import Place
from regrow.base.settings import load_settings
from regrow.data.delta import TIME, append, open_table, scan
from regrow.data.times import as_utc, in_utc

LABELS = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("row_key", pa.string()),
        ("entity_id", pa.string()),
        ("event_time", TIME),
        ("label", pa.float64()),
        ("label_text", pa.string()),
        ("labelled_at", TIME),
        ("received_at", TIME),
        ("origin", pa.string()),
    ]
)
"""With a `prediction_id` the other names are null; a number stands in `label`, anything else in `label_text`.

Labels from before version 0.3 have neither `row_key` nor `event_time`, and no `origin`.
"""
Origin = Literal["http", "labels", "target"]
"""Where a label came from: over HTTP, from `data.labels`, or from the target in `data.source`."""
TOLD: tuple[Origin, ...] = ("http", "labels")
"""A label that was told of a row counts for more than the target that the source has."""

NAMES = ["prediction_id", "row_key", "entity_id"]
"""What names a row: each label has one of them at least."""
KEY = [*NAMES, "event_time"]
IDENTITY = [*KEY, "label", "label_text", "labelled_at"]
"""What two labels have in common that are the same one."""
ORDER = ["labelled_at", "received_at", "label", "label_text"]
"""Of two labels of one row the last one counts."""


@dataclass(frozen=True)
class Names:
    """What names rows of the log: a label of one of them has one of these names."""

    prediction_ids: pd.Series
    row_keys: pd.Series
    entity_ids: pd.Series
    events: tuple[pd.Timestamp, pd.Timestamp] | None = None
    """The first and the last event time that a label of an entity may have, if it has one; None: any."""

    def filter(self, schema: pa.Schema) -> pc.Expression:
        """Return the filter for the labels in a table of *schema* that have one of these names."""
        texts = {name: pa.array(getattr(self, f"{name}s").dropna().unique(), pa.string()) for name in NAMES}
        found = {name: pc.field(name).isin(texts[name]) for name in NAMES if name in schema.names}
        if "entity_id" in found and self.events is not None and "event_time" in schema.names:
            first, last = (pa.scalar(moment, TIME) for moment in self.events)
            # Never is_null(): of a file that lacks the column, Delta's statistics wrongly tell that it holds no null.
            event = pc.coalesce(pc.field("event_time"), first)  # pyright: ignore[reportAttributeAccessIssue]
            found["entity_id"] &= (event >= first) & (event <= last)
        return reduce(or_, found.values(), pc.scalar(False))


def labels_path(model: str) -> Place:
    """Return the folder of *model*'s labels."""
    return load_settings().tables / "labels" / model


def append_labels(
    model: str, frame: pd.DataFrame, transaction: str, number: int = 1, origin: Origin | None = None
) -> int:
    """Append those of *frame* that *model*'s labels do not hold; return their number, 0 if it was done before.

    *frame* has `label`, `labelled_at`, one of `NAMES` (of several the first counts), perhaps `event_time` and,
    unless it is now, `received_at`; all came from *origin*. *number* must grow with each append of one *transaction*.
    Raises `DataError` if a column or a value is missing, `StateError` if the table cannot be written.
    """
    given = _shape(model, frame).assign(origin=pd.Series(origin, range(len(frame)), "str"))
    new = _without_known(given, _read(model, given["labelled_at"].min(), given["labelled_at"].max()))
    if new.empty:
        return 0
    table = pa.Table.from_pandas(new, LABELS, preserve_index=False)
    return len(new) if append(labels_path(model), table, transaction, number) else 0


def select_changes(
    model: str, frame: pd.DataFrame, as_of: datetime, since: datetime | None = None
) -> pd.DataFrame:
    """Keep those of *frame* that differ from what *model*'s labels say now; a correction was known at *as_of*.

    For a source that tells what is true and not when it was corrected. It corrects no label that was told.
    Labels of these rows that were known before *since*, if there are any, are not looked at.
    """
    given = _shape(model, frame)
    before = _read(model, None if since is None else pd.Timestamp(as_utc(since)))
    both = given.merge(_current(before), on=KEY, how="left", suffixes=("", "_before"))
    same = pd.Series(True, both.index)
    for name in ("label", "label_text"):
        old, new = both[f"{name}_before"], both[name]
        same &= (old == new) | (old.isna() & new.isna())
    same |= both["origin_before"].isin(TOLD)
    corrected = both["labelled_at_before"].notna() & ~same
    times = both["labelled_at"].mask(corrected, pd.Timestamp(as_utc(as_of)))
    return _values(both.assign(labelled_at=times)[~same][LABELS.names])


def read_labels(
    model: str, as_of: datetime | None = None, *, told: bool = False, of: Names | None = None
) -> pd.DataFrame:
    """Read the labels of *model* that counted at *as_of* (default: now), in the order in which they became known.

    With *told* those that came over HTTP or from `data.labels` alone, without the targets of the source; with *of*
    those that have one of its names: memory follows them, not the table.

    The columns are those of `KEY`, `label` and `labelled_at`. There is one for each prediction, row key, and entity
    and event time; of an entity alone, which may recur, there is one for each moment at which one became known.
    """
    end = None if as_of is None else pd.Timestamp(as_utc(as_of))
    rows = _read(model, end=end, of=of)
    rows = _told_last(_once(rows[rows["origin"].isin(TOLD)] if told else rows))
    names = _what_it_is_of(rows)
    bare = names[["prediction_id", "row_key", "event_time"]].isna().all(axis=1)
    last = ~names.assign(moment=rows["labelled_at"].where(bare)).duplicated(keep="last")
    return _values(rows[last].sort_index())[[*KEY, "label", "labelled_at"]]


def keys_told(model: str, entity_ids: pd.Series, events: tuple[pd.Timestamp, pd.Timestamp]) -> pd.Series:
    """Return the row keys under which *model*'s labels know rows of *entity_ids* within *events*."""
    of = Names(entity_ids.iloc[:0], entity_ids.iloc[:0], entity_ids, events)
    return _read(model, of=of, columns=["row_key"])["row_key"].dropna()


def predictions_told(model: str, start: datetime, end: datetime) -> list[str]:
    """Return the ids of the predictions whose truth was known in [*start*, *end*]."""
    since, until = (pd.Timestamp(as_utc(moment)) for moment in (start, end))
    return _read(model, since, until, columns=["prediction_id"])["prediction_id"].dropna().unique().tolist()


def labels_state(model: str) -> str:
    """Return a text that changes when labels of *model* are added."""
    table = open_table(labels_path(model))
    return "" if table is None else str(table.version())


def newest_label(model: str) -> datetime | None:
    """Return when the truth of the newest label of *model* was known; None if there is no label."""
    dataset = scan(labels_path(model))
    times = None if dataset is None else dataset.to_table(columns=["labelled_at"])
    return None if times is None else times["labelled_at"].to_pandas().max().to_pydatetime()


def label_history(model: str, prediction_id: str | None = None, entity_id: str | None = None) -> pd.DataFrame:
    """Read every label of one prediction, of one entity's rows, or of all, in the order in which they counted."""
    known = _once(_read(model))
    for name, key in (("prediction_id", prediction_id), ("entity_id", entity_id)):
        known = known if key is None else known[known[name] == key]
    return _values(known)[[*KEY, "label", "labelled_at", "received_at"]]


def _shape(model: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return *frame* with the columns and types of `LABELS`."""
    require_complete(model, frame)
    numbers = pd.to_numeric(frame["label"], errors="coerce").astype("float64")
    text = frame["label"].astype("object").map(str).where(numbers.isna(), None)
    names = {
        name: frame.get(name, pd.Series(None, frame.index, object)).map(str, na_action="ignore")
        for name in NAMES
    }
    own = names["prediction_id"].notna()
    event = in_utc(frame.get("event_time", pd.Series(pd.NaT, frame.index)))
    received = frame.get("received_at", pd.Series(datetime.now(UTC), frame.index))
    columns = {
        "prediction_id": names["prediction_id"],
        "row_key": names["row_key"].where(~own, None),
        "entity_id": names["entity_id"].where(~own, None),
        "event_time": event.where(~own & names["entity_id"].notna()).dt.as_unit("us"),
        "label": numbers,
        "label_text": text,
        "labelled_at": in_utc(frame["labelled_at"]).dt.as_unit("us"),
        "received_at": in_utc(received).dt.as_unit("us"),
        "origin": frame.get("origin", pd.Series(None, frame.index, object)),
    }
    texts = dict.fromkeys([*NAMES, "label_text", "origin"], "str")
    return pd.DataFrame(columns).astype(texts).reset_index(drop=True)


def require_complete(model: str, frame: pd.DataFrame) -> None:
    """Raise `DataError` if *frame* lacks a column, or a row lacks its label, its time or what it is of."""
    missing = [name for name in ("label", "labelled_at") if name not in frame]
    keys = [name for name in NAMES if name in frame]
    if missing or not keys:
        raise DataError(
            f"labels of {model}: column {[*missing, 'entity_id'][0]!r} is missing; "
            "give label, labelled_at, and prediction_id, row_key or entity_id"
        )
    empty = frame[["label", "labelled_at"]].isna().any(axis=1) | frame[keys].isna().all(axis=1)
    if empty.any():
        raise DataError(
            f"labels of {model}: row {int(empty.to_numpy().argmax())} lacks its label, its time or its identifier; "
            "leave it out until the truth is known"
        )


def _read(
    model: str,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    of: Names | None = None,
    columns: Collection[str] = LABELS.names,
) -> pd.DataFrame:
    """Read *columns* of *model*'s labels *of* names whose truth was known in [*start*, *end*], in the order they count.

    Without the columns by which they are ordered they come as they stand in the table.
    """
    dataset, schema = scan(labels_path(model)), pa.schema([LABELS.field(name) for name in columns])
    within = pc.scalar(True)
    if start is not None:
        within &= pc.field("labelled_at") >= pa.scalar(start, TIME)
    if end is not None:
        within &= pc.field("labelled_at") <= pa.scalar(end, TIME)
    if of is not None and dataset is not None:
        within &= of.filter(dataset.schema)
    data = schema.empty_table()
    if dataset is not None:
        data = dataset.to_table([name for name in columns if name in dataset.schema.names], filter=within)
    for field in schema:
        if field.name not in data.schema.names:
            data = data.append_column(field, pa.nulls(data.num_rows, field.type))
    rows = data.select(schema.names).to_pandas()
    return rows.sort_values(ORDER, na_position="first", ignore_index=True) if {*ORDER} <= {*columns} else rows


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the first arrival of each label among *rows*, in their order."""
    return rows.drop_duplicates(IDENTITY, keep="first")


def _told_last(rows: pd.DataFrame) -> pd.DataFrame:
    """Put the targets of a source before all other *rows*: of two labels of one row the last one counts."""
    return rows.iloc[(rows["origin"] != "target").argsort(kind="stable")]


def _current(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the label that counts of each thing that *rows* name."""
    rows = _told_last(_once(rows))
    return rows[~_what_it_is_of(rows).duplicated(keep="last")]


def _what_it_is_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `KEY` of *rows*, without the entity and the event time of those that a row key names."""
    entity = rows[["entity_id", "event_time"]].where(rows["row_key"].isna())
    return pd.concat([rows[["prediction_id", "row_key"]], entity], axis=1)


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
