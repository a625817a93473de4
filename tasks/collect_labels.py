"""Collect the labels that have matured: from their own source, or from the target in the project's."""

import hashlib
from datetime import datetime

import pandas as pd
from pandas.util import hash_pandas_object

from regrow import registry
from regrow.data.labels import KEY, Origin, append_labels, select_changes
from regrow.data.predictions import knows_row_keys
from regrow.data.rows import check_row_keys, row_keys
from regrow.data.sources import as_names, feature_columns, read_label_source, read_source
from regrow.data.times import FIRST, in_utc
from regrow.lineage import current, step
from regrow.models.stored import load_model
from regrow.project import CsvSource, Data, LogSource, Project


def matured_labels(rows: pd.DataFrame, features: pd.DataFrame, data: Data, as_of: datetime) -> pd.DataFrame:
    """Take the labels of those *rows* whose target was known at *as_of*, one for each row, named by its key.

    *features* are the rows' as the model takes them: they name a row that nothing else does. Without a timestamp
    every target is taken to be known at *as_of*.
    """
    if rows.empty:
        return pd.DataFrame(columns=["row_key", "label", "labelled_at"])
    labelled_at, events = pd.Series(pd.Timestamp(as_of), index=rows.index), None
    if data.timestamp:
        events = in_utc(rows[data.timestamp])
        labelled_at = events + data.label_delay
    labels = pd.DataFrame({"row_key": row_keys(rows, features, data).array}, index=rows.index)
    if data.entity:
        labels["entity_id"] = as_names(rows[data.entity]).replace("", None)
        labels["event_time"] = pd.NaT if events is None else events
    labels = labels.assign(label=rows[data.target], labelled_at=labelled_at)
    known = labels["label"].notna() & (labelled_at <= pd.Timestamp(as_of))
    return labels[known].reset_index(drop=True)


def add_labels(model: str, labels: pd.DataFrame, as_of: datetime, since: datetime | None = None) -> int:
    """Append those of *labels*, of events from *since* on, that differ from the table of *model*; count them."""
    return 0 if labels.empty else add_told(model, select_changes(model, labels, as_of, since), "target")


def add_told(model: str, labels: pd.DataFrame, origin: Origin = "labels") -> int:
    """Append *labels*, which come with their own times, but for those that the table holds; count them."""
    if labels.empty:
        return 0
    keys = [name for name in KEY if name in labels]
    told = labels[[*keys, "label", "labelled_at"]].sort_values([*keys, "labelled_at"], ignore_index=True)
    digest = hashlib.sha256(hash_pandas_object(told, index=False).to_numpy().tobytes()).hexdigest()
    return append_labels(model, told, f"collect-labels/{digest}", origin=origin)


@step(retries=2, retry_delay_seconds=[5, 30])
def collect_labels(project: Project, start: datetime | None, as_of: datetime) -> int:
    """Add the labels known at *as_of* of events from *start* (None: ever) on, and of those that were too young before.

    If rows come from the prediction log and labels from nowhere else, they are all there: they came over HTTP.
    Raises `DataError` if a `data.id` recurs among them: its labels would be those of other rows.
    """
    data = project.data
    first = FIRST if start is None else start - data.label_delay
    if data.labels is not None:
        labels = read_label_source(project, data.labels, first, as_of)
        added = add_told(project.name, labels)
    elif isinstance(data.source, LogSource):
        labels, added = (), 0
    else:
        named = read_by_name if data.naming else read_by_content
        rows, features = named(project, first, as_of)
        labels = matured_labels(rows, features, data, as_of)
        # No label comes before its event; without event times every label is as old as its collection.
        since = labels["labelled_at"].min() - data.label_delay if data.timestamp and len(labels) else None
        added = add_labels(project.name, labels, as_of, since)
    current().log_metrics({"labels.matured": float(len(labels)), "labels.added": float(added)})
    return added


def read_by_name(project: Project, start: datetime, as_of: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the rows of events from *start* on whose label was known at *as_of*, and their features."""
    data, end = project.data, as_of - project.data.label_delay
    rows = read_source(project, start, end, columns=[data.target])
    check_row_keys(project, rows)
    names = rows[[*data.naming]]
    # What has no name of its own is known by its content.
    if names.isna().any(axis=None) or names.duplicated().any():
        rows = read_source(project, start, end)
    return rows, rows[[name for name in feature_columns(project, list(rows.columns)) if name in rows]]


def read_by_content(project: Project, start: datetime, as_of: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read rows that nothing but their features names, and these as the champion of *as_of* takes them.

    Only batch scoring logs such a name; without it there is nothing that their labels could join, so no row is read.
    """
    champion = registry.champion_at(project.name, as_of)
    if champion is None or not knows_row_keys(project.name):
        return pd.DataFrame({project.data.target: []}), pd.DataFrame()
    contract = load_model(f"models:/{champion.model_id}").contract
    rows = read_source(project, start, as_of - project.data.label_delay, contract.text)
    return rows, contract.read(rows, untyped=isinstance(project.data.source, CsvSource))
