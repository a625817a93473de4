"""Collect the labels that have matured: from their own source, or from the target in the project's."""

import hashlib
from datetime import datetime

import pandas as pd

from regrow.data.labels import KEY, append_labels, select_changes
from regrow.data.sources import as_names, read_label_source, read_source
from regrow.lineage import current, step
from regrow.project import Data, Project


def matured_labels(rows: pd.DataFrame, data: Data, as_of: datetime) -> pd.DataFrame:
    """Take `entity_id`, `label`, `labelled_at` from *rows* whose target was known at *as_of*.

    Without a timestamp every target is taken to be known at *as_of*. A row without an id has nothing to join by.
    """
    known = rows[rows[data.target].notna() & rows[data.id].notna()]
    if data.timestamp:
        labelled_at = pd.to_datetime(known[data.timestamp], utc=True) + data.label_delay
    else:
        labelled_at = pd.Series(pd.Timestamp(as_of), index=known.index)
    labels = pd.DataFrame(
        {"entity_id": as_names(known[data.id]), "label": known[data.target], "labelled_at": labelled_at}
    )
    labels = labels[labels["labelled_at"] <= pd.Timestamp(as_of)]
    return labels.drop_duplicates("entity_id", keep="last").reset_index(drop=True)


def add_labels(model: str, labels: pd.DataFrame, as_of: datetime) -> int:
    """Append those of *labels* that differ from what the table of *model* says at *as_of*, and count them."""
    return add_told(model, select_changes(model, labels, as_of))


def add_told(model: str, labels: pd.DataFrame) -> int:
    """Append *labels*, which come with their own times, but for those that the table holds; count them."""
    if labels.empty:
        return 0
    keys = [name for name in KEY if name in labels]
    told = labels[[*keys, "label", "labelled_at"]].sort_values([*keys, "labelled_at"], ignore_index=True)
    return append_labels(model, told, f"collect-labels/{hashlib.sha256(told.to_csv().encode()).hexdigest()}")


@step(retries=2, retry_delay_seconds=[5, 30])
def collect_labels(project: Project, start: datetime, as_of: datetime) -> int:
    """Add the labels known at *as_of* of events from *start* on, and of those that were too young before."""
    data, delay = project.data, project.data.label_delay
    if data.labels is not None:
        labels = read_label_source(project, data.labels, start - delay, as_of)
        added = add_told(project.name, labels)
    elif data.id is not None:
        rows = read_source(project, start - delay, as_of - delay)
        labels = matured_labels(rows, data, as_of)
        added = add_labels(project.name, labels, as_of)
    else:
        return 0
    current().log_metrics({"labels.matured": float(len(labels)), "labels.added": float(added)})
    return added
