"""The labels that were told, over HTTP or by `data.labels`, by the row of a source that each is of.

They count for more than the target in the source: who tells a label looked at this one row.
"""

from datetime import datetime

import pandas as pd

from regrow.data.joining import join_labels, keys_of_events
from regrow.data.labels import read_labels
from regrow.data.predictions import read_row_names
from regrow.data.rows import entity_names, row_keys
from regrow.data.times import in_utc
from regrow.project import LogSource, Project


def told_targets(
    project: Project, frame: pd.DataFrame, as_of: datetime, start: datetime | None = None
) -> pd.Series:
    """Return the label that was told of each row of *frame* until *as_of*, missing if there is none.

    Labels find their row by `data.id`, or by entity and event time; through a prediction of the log since *start* also
    by prediction, by entity alone, and within `data.label_tolerance`. Rows that neither names have none, nor have those
    of the prediction log: they come with the labels that were told.
    """
    data, told = project.data, pd.Series(None, frame.index, object)
    if not data.naming or isinstance(data.source, LogSource):
        return told
    labels = read_labels(project.name, as_of, told=True)
    if labels.empty or frame.empty:
        return told
    keys = labels["row_key"] if data.entity else labels["row_key"].fillna(labels["entity_id"])
    by_key = pd.concat([_last(labels, keys), _by_prediction(project, labels, start)])
    told = row_keys(frame, frame, data).map(by_key[~by_key.index.duplicated(keep="last")])
    if data.entity and data.timestamp:
        times = in_utc(frame[data.timestamp]).dt.as_unit("us").array
        events = keys_of_events(pd.DataFrame({"entity_id": entity_names(frame, data), "event_time": times}))
        by_event = _last(labels, keys_of_events(labels).where(labels["row_key"].isna()))
        told = told.astype(object).where(told.notna(), events.map(by_event))
    return told.astype(object).set_axis(frame.index)


def _last(labels: pd.DataFrame, keys: pd.Series) -> pd.Series:
    """Return the label by its key, the last of several; *labels* without a key are left out."""
    named = pd.Series(labels["label"].array, keys, object)[keys.notna().to_numpy()]
    return named[~named.index.duplicated(keep="last")]


def _by_prediction(project: Project, labels: pd.DataFrame, start: datetime | None) -> pd.Series:
    """Return the label of each row in the log that *labels* are of, by its key."""
    if project.data.entity is None and labels["prediction_id"].isna().all():
        return pd.Series(dtype=object)
    logged = read_row_names(project.name, start, more=["prediction_id"])
    if logged.empty:
        return pd.Series(dtype=object)
    joined = join_labels(project.name, logged, labels, project.data).rows
    joined = joined.sort_values(["own", "labelled_at"], kind="stable")
    return _last(joined, joined["key"])
