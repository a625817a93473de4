"""Read the training window as it was known at a moment, and keep it as a snapshot."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_float_dtype, is_numeric_dtype

from regrow import registry
from regrow.base.errors import DataError
from regrow.data.labels import labels_state
from regrow.data.rows import check_row_keys
from regrow.data.served_rows import logged_model
from regrow.data.snapshots import EXACT, Snapshot, write_snapshot
from regrow.data.sources import feature_columns, fingerprint, read_source, training_columns
from regrow.data.text_columns import check_text
from regrow.data.told_labels import told_targets
from regrow.lineage import current, step
from regrow.models.predictions import as_target, restore_labels
from regrow.project import LogSource, Project


def read_known(project: Project, as_of: datetime, more: Collection[str] = ()) -> pd.DataFrame:
    """Read the rows of the training window whose target was known at *as_of*, with *more* columns if they are there.

    Without a timestamp that is every row. Raises `DataError` if no row is left, a `data.id` recurs, or text is
    none.
    """
    data, window, columns = project.data, project.training.reach, training_columns(project, more)
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
    frame = numbers_of_decimals(frame, data.target)
    check_row_keys(project, frame)
    check_text(project, frame, [data.target, *feature_columns(project, list(frame.columns))])
    return frame


def numbers_of_decimals(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    """Return *frame* with doubles for the decimals of a database or a Parquet file in *target*; gaps stay."""
    present = frame[target].dropna()
    if present.empty or not all(isinstance(value, Decimal) for value in present):
        return frame
    return frame.assign(**{target: frame[target].astype("float64")})


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


def override_target(target: pd.Series, told: pd.Series) -> tuple[pd.Series, dict[str, float]]:
    """Put the labels that were *told* in place of *target*, but for those that can be no target.

    Returns what is true now, with the metrics of it: `labels.told`, the rows that have such a label, `labels.changed`,
    those whose target was another, and `labels.unfit`, labels that can be no target.
    """
    given = told[told.notna()]
    fitting = as_target(given, target).dropna()
    before = target[fitting.index]
    known = before.notna().to_numpy()
    changed = before.to_numpy(object)[known] != fitting.to_numpy(object)[known]
    figures = {
        "labels.told": len(given),
        "labels.unfit": len(given) - len(fitting),
        "labels.changed": int(changed.sum()) + int((~known).sum()),
    }
    return _replace(target, fitting), {name: float(figure) for name, figure in figures.items()}


def _replace(target: pd.Series, values: pd.Series) -> pd.Series:
    """Return *target* with *values* at their rows, in its own type if that holds them."""
    replaced = target.astype(object)
    replaced[values.index] = values.astype(object)
    if isinstance(target.dtype, pd.StringDtype):
        return replaced.astype(target.dtype)
    if is_bool_dtype(target) or not is_numeric_dtype(target):
        return replaced.infer_objects()
    numbers = pd.to_numeric(replaced, errors="coerce").astype("float64")
    return numbers.astype(target.dtype) if _can_hold(target.dtype, numbers) else numbers


def _can_hold(kind: Any, numbers: pd.Series) -> bool:
    """Return whether a column of *kind*, floats or whole numbers of so many bits, holds *numbers* as they are."""
    if is_float_dtype(kind):
        return True
    bounds, present = np.iinfo(getattr(kind, "numpy_dtype", kind)), numbers.dropna()
    return bool((present % 1 == 0).all() and present.between(bounds.min, bounds.max).all())


def as_before(project: Project, source: LogSource, frame: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Write the labels in *frame* as the classes of the champion of *as_of* that was asked: `true`, not 1."""
    champion, target = registry.champion_at(logged_model(project, source), as_of), project.data.target
    if champion is None:
        return frame
    told = pd.Series(restore_labels(frame[target], champion.facts), frame.index)
    return frame.assign(**{target: told.infer_objects()})


def told_rows(
    project: Project, frame: pd.DataFrame, as_of: datetime
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return *frame* with the labels of its rows that were told until *as_of* as the target, and the metrics of it."""
    target, window = project.data.target, project.training.reach
    told = told_targets(project, frame, as_of, None if window is None else as_of - window)
    if told.isna().all():
        return frame, {}
    true, figures = override_target(frame[target], told)
    return frame.assign(**{target: true}), figures


def champions_columns(project: Project, as_of: datetime) -> tuple[str, ...]:
    """Return the columns that only the champion of *as_of* takes: on the same rows it is judged by its own columns."""
    if training_columns(project) is None:
        return ()
    champion = registry.champion_at(project.name, as_of)
    return () if champion is None else tuple(champion.facts.training.columns)


def _state_of_source(project: Project, as_of: datetime) -> str | None:
    """Return a text that changes when what is read does; None if the source cannot tell."""
    mark = fingerprint(project)
    return mark and "|".join((mark, labels_state(project.name), *champions_columns(project, as_of)))


@step(retries=2, retry_delay_seconds=[5, 30], cached=_state_of_source)
def ingest(project: Project, as_of: datetime) -> Snapshot:
    """Keep the rows known at *as_of* as a snapshot; a source that says that it has not changed is not read again."""
    frame, source = read_known(project, as_of, champions_columns(project, as_of)), project.data.source
    if isinstance(source, LogSource):
        frame = as_before(project, source, frame, as_of)
    frame, figures = told_rows(project, frame, as_of)
    snapshot = write_snapshot(frame, project.data.timestamp)
    run = current()
    run.log_input(snapshot, "ingested")
    run.log_metrics({"rows": snapshot.rows, **figures})
    run.log_params({"as_of": as_of.isoformat(), "source": source.kind})
    return snapshot
