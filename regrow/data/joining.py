"""Which label belongs to which logged row.

A row has the label of its own prediction; else, of those of its row key and those of its entity and event time, the
one that was known last; else the one of its entity, if that can mean no other row. A label of an entity and a moment
belongs to the entity's row of that moment, or within `data.label_tolerance` to the newest one before it.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.data.labels import Names, keys_told, read_labels
from regrow.data.predictions import read_row_names
from regrow.project import Data

Places = NDArray[np.intp]
"""For each row the place of its label among the labels; -1 without one."""


@dataclass(frozen=True)
class Joined:
    """The rows that have a label, and how many labels might mean several rows."""

    rows: pd.DataFrame
    """With `key` (which row it is, whatever version predicted it), `label`, `labelled_at`, and whether it is its `own`:
    that of this one prediction."""
    ambiguous: int
    """Labels of an entity that recurs, which do not tell which of its rows they mean: they are left out."""


def read_labels_of(model: str, rows: pd.DataFrame, data: Data, as_of: datetime) -> pd.DataFrame:
    """Read those of *model*'s labels known at *as_of* in which `join_labels` finds for *rows* what it would in all.

    Those are found by name: a label's times tell nothing of whose it is, for whoever tells it may set them.
    """
    ids, keys, entities = rows["prediction_id"], keys_of_logged(rows, data), rows["entity_id"]
    if "shadow_of" in rows:
        ids = pd.concat([ids, rows["shadow_of"]])
    if data.entity is None:  # Either name may hold the other.
        names = pd.concat([keys, entities])
        return read_labels(model, as_of, of=Names(ids, names, names))
    if rows["event_time"].isna().all():
        return read_labels(model, as_of, of=Names(ids, keys, entities))
    events = rows["event_time"].min(), rows["event_time"].max() + data.label_tolerance
    nameless = entities[rows["row_key"].isna()]
    if len(nameless):  # Of a key that a label gives to such a row, all labels are needed.
        keys = pd.concat([keys, keys_told(model, nameless, events)])
    return read_labels(model, as_of, of=Names(ids, keys, entities, events))


def join_labels(model: str, rows: pd.DataFrame, labels: pd.DataFrame, data: Data) -> Joined:
    """Join *rows* of *model*'s prediction log with *labels*, which `read_labels_of` gives, or `read_labels`.

    *rows* have `prediction_id`, `row_key`, `entity_id`, `event_time` and perhaps `shadow_of`: a shadow has the label
    of the row that the client got. To find the nearest row, or to see whether an entity recurs, the log is read.
    """
    labels, keys = labels.reset_index(drop=True), keys_of_logged(rows, data)
    shadowed = (
        rows["shadow_of"].fillna(rows["prediction_id"]) if "shadow_of" in rows else rows["prediction_id"]
    )
    own = _places(labels["prediction_id"], shadowed)
    if data.entity is None:  # The entity is the row.
        places, ambiguous = _places(labels["row_key"].fillna(labels["entity_id"]), keys), 0
    else:
        by_event = np.where(
            _is_early(rows, labels, places := _by_event(model, rows, labels, data)), -1, places
        )
        places = np.maximum(_places(labels["row_key"], keys), by_event)
        alone, ambiguous = _by_entity(model, rows, labels, data)
        places = np.where(places >= 0, places, alone)
    places = np.where(own >= 0, own, places)
    found = labels[["label", "labelled_at"]].iloc[places[places >= 0]]
    joined = rows.assign(key=keys.array, own=own >= 0)[places >= 0]
    return Joined(
        joined.assign(label=found["label"].array, labelled_at=found["labelled_at"].array), ambiguous
    )


def keys_of_logged(rows: pd.DataFrame, data: Data) -> pd.Series:
    """Return the key of each of *rows*; one that was logged without is named by its entity, or by that and its time."""
    return (
        rows["row_key"]
        .astype("str")
        .fillna(rows["entity_id"] if data.entity is None else keys_of_events(rows))
    )


def keys_of_events(frame: pd.DataFrame) -> pd.Series:
    """Return `ENTITY@MICROSECONDS` for each of *frame* that has both: the key of a row that no id names."""
    times = frame["event_time"].astype("int64").astype("str")
    return (frame["entity_id"].astype("str") + "@" + times).where(frame["event_time"].notna(), None)


def _places(keys: pd.Series, wanted: pd.Series) -> Places:
    """Return the place of each of *wanted* among *keys*, the last if there are several; -1 if it is not there."""
    known = keys.astype("str").dropna().drop_duplicates(keep="last")
    found = pd.Index(known).get_indexer(pd.Index(wanted.astype("str")))
    places = np.asarray(known.index, dtype=np.intp).take(found, mode="clip") if len(known) else found
    return np.where((found >= 0) & wanted.notna().to_numpy(), places, -1)


def _is_early(rows: pd.DataFrame, labels: pd.DataFrame, places: Places) -> NDArray[np.bool_]:
    """Return of which of *rows* the label at its place was known before the event."""
    known = labels["labelled_at"].reindex(places)
    return (known.to_numpy() < rows["event_time"].to_numpy()) & (places >= 0)


def _by_event(model: str, rows: pd.DataFrame, labels: pd.DataFrame, data: Data) -> Places:
    """Find each row's label by entity and event time; one with a row key of its own is that of no other row."""
    moments, told, nameless = keys_of_events(rows), keys_of_events(labels), labels["row_key"].isna()
    if data.label_tolerance:
        told = told.where(~nameless, _nearest(model, rows, labels[nameless], data).reindex(labels.index))
    places = _places(told.where(nameless), moments)
    of_key = np.where(rows["row_key"].isna(), _places(told.where(~nameless), moments), -1)
    return np.maximum(places, of_key)


def _nearest(model: str, rows: pd.DataFrame, labels: pd.DataFrame, data: Data) -> pd.Series:
    """Name for each of *labels* the row that it belongs to; of two that belong to one row the exact one, or the last.

    Looked at are all rows of the log, whatever *rows* of it are asked for: a nearer one takes the label away.
    """
    first, last = rows["event_time"].min(), rows["event_time"].max() + data.label_tolerance
    within = labels["entity_id"].notna() & labels["event_time"].between(first, last)
    told = (
        labels.loc[within, ["entity_id", "event_time"]].reset_index(names="place").sort_values("event_time")
    )
    known = read_row_names(model, first, last + pd.Timedelta(1, "us"))[["entity_id", "event_time"]]
    known = known.dropna().drop_duplicates().sort_values("event_time")
    if told.empty or known.empty:
        return pd.Series(dtype="str")
    found = pd.merge_asof(
        told, known.assign(of=known["event_time"]), on="event_time", by="entity_id",
        tolerance=pd.Timedelta(data.label_tolerance),
    )  # fmt: skip
    found = found[found["of"].notna()]
    found = found.assign(isexact=found["of"] == found["event_time"], event_time=found["of"])
    found = found.assign(name=keys_of_events(found)).sort_values(["isexact", "place"])
    return found.drop_duplicates("name", keep="last").set_index("place")["name"]


def _by_entity(model: str, rows: pd.DataFrame, labels: pd.DataFrame, data: Data) -> tuple[Places, int]:
    """Find the label of rows whose entity alone was told, and count those that may mean several rows.

    It means the entity's one row; if there are several, the one whose label is due when it was known.
    """
    bare = labels[["prediction_id", "row_key", "event_time"]].isna().all(axis=1)
    told = labels[bare & labels["entity_id"].isin(rows["entity_id"].dropna())]
    if told.empty:
        return np.full(len(rows), -1), 0
    logged = read_row_names(model, entities=told["entity_id"].unique().tolist())
    known = pd.DataFrame({"key": keys_of_logged(logged, data), "entity_id": logged["entity_id"]})
    known = known.assign(of=logged["event_time"]).drop_duplicates("key", keep="last")
    recurs = known["entity_id"].map(known["entity_id"].value_counts()) > 1
    pairs = (
        told[["entity_id", "labelled_at"]]
        .reset_index(names="place")
        .merge(known.assign(recurs=recurs), on="entity_id")
    )
    late = pairs["labelled_at"] - pairs["of"]
    isdue = (late - data.label_delay).between(pd.Timedelta(0), pd.Timedelta(data.label_tolerance))
    fits = pairs[(late >= pd.Timedelta(0)) & (isdue | ~pairs["recurs"])].drop_duplicates("place", keep=False)
    ambiguous = pairs.loc[pairs["recurs"] & ~pairs["place"].isin(fits["place"]), "place"].nunique()
    return _places(fits.set_index("place")["key"].sort_index(), keys_of_logged(rows, data)), ambiguous
