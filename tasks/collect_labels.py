"""Collect the labels that have matured from the project's own source."""

import hashlib
from datetime import datetime, timedelta

import pandas as pd

from regrow.lineage import current, step
from regrow.project import Data, Project
from regrow.sources import read_source
from regrow.tables.labels import append_labels, select_changes


def matured_labels(rows: pd.DataFrame, data: Data, as_of: datetime) -> pd.DataFrame:
    """Take `entity_id`, `label`, `labelled_at` from *rows* whose target was known at *as_of*.

    Without a timestamp every target is taken to be known at *as_of*.
    """
    known = rows[rows[data.target].notna()]
    if data.timestamp:
        labelled_at = pd.to_datetime(known[data.timestamp], utc=True) + data.label_delay
    else:
        labelled_at = pd.Series(pd.Timestamp(as_of), index=known.index)
    labels = pd.DataFrame(
        {"entity_id": known[data.id].astype(str), "label": known[data.target], "labelled_at": labelled_at}
    )
    labels = labels[labels["labelled_at"] <= pd.Timestamp(as_of)]
    return labels.drop_duplicates("entity_id", keep="last").reset_index(drop=True)


def add_labels(model: str, labels: pd.DataFrame, as_of: datetime) -> int:
    """Append those of *labels* that the table of *model* does not hold, and count them."""
    new = select_changes(model, labels, as_of).sort_values("entity_id", ignore_index=True)
    if new.empty:
        return 0
    content = hashlib.sha256(new[["entity_id", "label", "labelled_at"]].to_csv().encode()).hexdigest()
    return append_labels(model, new, f"collect-labels/{content}")


@step(retries=2, retry_delay_seconds=[5, 30])
def collect_labels(project: Project, start: datetime, as_of: datetime) -> int:
    """Add the labels known at *as_of* of events from *start* on, and of those that were too young before."""
    if project.data.id is None:
        return 0
    delay: timedelta = project.data.label_delay
    rows = read_source(project, start - delay, as_of - delay)
    labels = matured_labels(rows, project.data, as_of)
    added = add_labels(project.name, labels, as_of)
    current().log_metrics({"labels.matured": float(len(labels)), "labels.added": float(added)})
    return added
