"""Read the training window as it was known at a moment, and keep it as a snapshot."""

from collections.abc import Collection
from datetime import datetime

import pandas as pd
from pandas.api.types import is_float_dtype

from regrow import registry
from regrow.data.rows import check_row_keys
from regrow.data.served_rows import logged_model
from regrow.data.snapshots import EXACT, Snapshot, write_snapshot
from regrow.data.sources import feature_columns, fingerprint, read_source, training_columns
from regrow.data.text_columns import check_text
from regrow.errors import DataError
from regrow.lineage import current, step
from regrow.models.predictions import restore_labels
from regrow.project import LogSource, Project


def read_known(project: Project, as_of: datetime, more: Collection[str] = ()) -> pd.DataFrame:
    """Read the rows of the training window whose target was known at *as_of*, with *more* columns if they are there.

    Without a timestamp that is every row. Raises `DataError` if no row is left, a `data.id` recurs, or text is
    none.
    """
    data, window, columns = project.data, project.training.window, training_columns(project, more)
    if data.timestamp is None:
        frame, span = read_source(project, columns=columns, as_of=as_of), "the source"
    else:
        start = None if window is None else as_of - window
        end = as_of - data.label_delay
        frame = read_source(project, start, end, columns=columns, as_of=as_of)
        span = f"{start or 'the beginning'} to {end} (as_of {as_of}, label_delay {data.label_delay})"
    if frame.empty:
        raise DataError(
            f"{project.path}: no row of {project.name} in {span}; check the source, the window and as_of"
        )
    if isinstance(data.source, LogSource):
        frame = keep_labelled(project, frame, span)
    check_row_keys(project, frame)
    check_text(project, frame, [data.target, *feature_columns(project, list(frame.columns))])
    return frame


def keep_labelled(project: Project, frame: pd.DataFrame, span: str) -> pd.DataFrame:
    """Keep the rows of *frame*, which were logged in *span*, that have a label; whole numbers are whole again.

    Raises `DataError` that says what is awaited if there is none.
    """
    target = project.data.target
    labelled = frame[frame[target].notna()].reset_index(drop=True).infer_objects()
    if labelled.empty:
        raise DataError(
            f"{project.path}: data.source: the log holds {len(frame)} rows in {span}, and no label of them was known: "
            "it awaits labels over HTTP, or from data.labels; train again once they have come"
        )
    told = labelled[target]
    if is_float_dtype(told) and (told == told.round()).all() and told.abs().max() <= EXACT:
        return labelled.assign(**{target: told.astype("int64")})
    return labelled


def as_before(project: Project, source: LogSource, frame: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Write the labels in *frame* as the classes of the champion of *as_of* that was asked: `true`, not 1."""
    champion, target = registry.champion_at(logged_model(project, source), as_of), project.data.target
    if champion is None:
        return frame
    told = pd.Series(restore_labels(frame[target], champion.facts), frame.index)
    return frame.assign(**{target: told.infer_objects()})


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
    frame, source = read_known(project, as_of, champions_columns(project, as_of)), project.data.source
    if isinstance(source, LogSource):
        frame = as_before(project, source, frame, as_of)
    snapshot = write_snapshot(frame, project.data.timestamp)
    run = current()
    run.log_input(snapshot, "ingested")
    run.log_metrics({"rows": snapshot.rows})
    run.log_params({"as_of": as_of.isoformat(), "source": source.kind})
    return snapshot
