"""Read the training window as it was known at a moment, and keep it as a snapshot."""

from collections.abc import Collection
from datetime import datetime

import pandas as pd

from regrow import registry
from regrow.data.rows import check_row_keys
from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.data.sources import feature_columns, fingerprint, read_source, training_columns
from regrow.data.text_columns import check_text
from regrow.errors import DataError
from regrow.lineage import current, step
from regrow.project import Project


def read_known(project: Project, as_of: datetime, more: Collection[str] = ()) -> pd.DataFrame:
    """Read the rows of the training window whose target was known at *as_of*, with *more* columns if they are there.

    Without a timestamp that is every row. Raises `DataError` if no row is left, a `data.id` recurs, or text is
    none.
    """
    data, window, columns = project.data, project.training.window, training_columns(project, more)
    if data.timestamp is None:
        frame, span = read_source(project, columns=columns), "the source"
    else:
        start = None if window is None else as_of - window
        end = as_of - data.label_delay
        frame = read_source(project, start, end, columns=columns)
        span = f"{start or 'the beginning'} to {end} (as_of {as_of}, label_delay {data.label_delay})"
    if frame.empty:
        raise DataError(
            f"{project.path}: no row of {project.name} in {span}; check the source, the window and as_of"
        )
    check_row_keys(project, frame)
    check_text(project, frame, [data.target, *feature_columns(project, list(frame.columns))])
    return frame


def champions_columns(project: Project, as_of: datetime) -> tuple[str, ...]:
    """Return the columns that only the champion of *as_of* takes: on the same rows it is judged by its own columns."""
    if training_columns(project) is None:
        return ()
    champion = registry.champion_at(project.name, as_of)
    return () if champion is None else tuple(champion.facts.training.columns)


def _state_of_source(project: Project, as_of: datetime) -> str | None:
    """Return a text that changes when what is read does; None if the source cannot tell."""
    mark = fingerprint(project)
    return mark and "|".join((mark, *champions_columns(project, as_of)))


@step(retries=2, retry_delay_seconds=[5, 30], cached=_state_of_source)
def ingest(project: Project, as_of: datetime) -> Snapshot:
    """Keep the rows known at *as_of* as a snapshot; a source that says that it has not changed is not read again."""
    frame = read_known(project, as_of, champions_columns(project, as_of))
    snapshot = write_snapshot(frame, project.data.timestamp)
    run = current()
    run.log_input(snapshot, "ingested")
    run.log_metrics({"rows": snapshot.rows})
    run.log_params({"as_of": as_of.isoformat(), "source": project.data.source.kind})
    return snapshot
