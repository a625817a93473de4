"""A project's rows and labels: those of a period, with their dates parsed and their columns checked."""

from collections.abc import Collection
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from regrow.data.readers import fingerprint_of, read_rows
from regrow.data.times import parse_times
from regrow.errors import DataError
from regrow.project import Project, Source

FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def read_source(
    project: Project, start: datetime | None = None, end: datetime | None = None, text: Collection[str] = ()
) -> pd.DataFrame:
    """Read the rows with an event time in [*start*, *end*), oldest first, all columns.

    A CSV file does not say which columns are *text*: unless it is told, digits alone are read as numbers.
    Raises `DataError` if a file or a column is missing, something cannot be read, or a date does not parse.
    """
    frame = read_rows(project, project.data.source, "data.source", start or FIRST, end or LAST, text)
    check_columns(project, frame)
    column = project.data.timestamp
    if column is None:
        return frame.reset_index(drop=True)
    frame = frame.assign(**{column: parse_times(frame[column], f"{project.path}: data.timestamp")})
    within = pd.Series(True, index=frame.index)
    if start is not None:
        within &= frame[column] >= start
    if end is not None:
        within &= frame[column] < end
    return (
        frame[within]
        .sort_values(list(reversed(project.data.key_columns)), kind="stable")
        .reset_index(drop=True)
    )


def read_label_source(project: Project, source: Source, start: datetime, as_of: datetime) -> pd.DataFrame:
    """Read the labels known in [*start*, *as_of*] from *source*: the row's name, `label`, `labelled_at`.

    Raises `DataError` if the source cannot be read, lacks a column, or has a date that does not parse.
    """
    frame = read_rows(project, source, "data.labels", start, as_of)
    data = project.data
    columns = {"row_key": data.id, "entity_id": data.entity}
    names = {column: name for name, column in columns.items() if column} | {"prediction_id": "prediction_id"}
    if not len(frame) and not len(frame.columns):  # A hook that has no label yet.
        return pd.DataFrame(columns=[*names.values(), "label", "labelled_at"])
    found = [name for name in names if name in frame.columns]
    missing = [name for name in ("label", "labelled_at") if name not in frame.columns]
    if missing or not found:
        wanted = missing[0] if missing else "` or `".join(names)
        raise DataError(
            f"{project.path}: data.labels: the data has no column `{wanted}`; it has {_columns(frame)}"
        )
    where = f"{project.path}: data.labels"
    unnamed = (frame["label"].notna() & frame[found].isna().all(axis=1)).to_numpy()
    if unnamed.any():
        raise DataError(
            f"{where}: row {unnamed.argmax()} has no `{'` or `'.join(found)}` ({unnamed.sum()} such rows); "
            "name the row that each label is of, or leave the label out"
        )
    labels = frame[frame["label"].notna()]
    labels = labels.assign(labelled_at=parse_times(labels["labelled_at"], where))
    # A column with gaps makes whole numbers floats; a request names row 7 by "7".
    labels = labels.assign(**{name: labels[name].map(_name, na_action="ignore") for name in found})
    event = data.timestamp if data.entity in found and data.timestamp in labels else None
    if event is not None:
        labels = labels.assign(**{event: parse_times(labels[event].dropna(), where).reindex(labels.index)})
        names, found = names | {event: "event_time"}, [*found, event]
    within = labels["labelled_at"].between(pd.Timestamp(start), pd.Timestamp(as_of))
    return labels.loc[within, [*found, "label", "labelled_at"]].rename(columns=names).reset_index(drop=True)


def as_names(values: pd.Series) -> pd.Series:
    """Write the ids in *values* as text, as requests to the model server do; a missing one is empty text.

    Whole numbers that a missing value made floats keep their names: row 7 is `7`, not `7.0`.
    """
    codes, found = pd.factorize(values, use_na_sentinel=True)
    names = np.array([*map(_name, found), ""], dtype=object)
    return pd.Series(names[codes], index=values.index, name=values.name)


def _name(value: object) -> str:
    """Write what names a row as a request to the model server does."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def fingerprint(project: Project) -> str | None:
    """Return a text that changes when the source's rows do; None if the source cannot tell cheaply."""
    return fingerprint_of(project, project.data.source, "data.source")


def check_columns(project: Project, frame: pd.DataFrame) -> None:
    """Raise `DataError` naming the first column of the project file that *frame* lacks."""
    data = project.data
    named = {"data.target": data.target, "data.timestamp": data.timestamp, "data.id": data.id}
    named |= {"data.entity": data.entity}
    named |= {f"data.features[{place}]": column for place, column in enumerate(data.features or ())}
    for key, column in named.items():
        if column is not None and column not in frame.columns:
            raise DataError(
                f"{project.path}: {key}: the data has no column `{column}`; it has {_columns(frame)}"
            )


def _columns(frame: pd.DataFrame) -> str:
    return ", ".join(frame.columns[:20]) or "none"


def feature_columns(project: Project, columns: list[str]) -> list[str]:
    """Return the columns that the model sees: those of the project file, or all but the target and what names a row."""
    if project.data.features is not None:
        return list(project.data.features)
    return [column for column in columns if column not in {project.data.target, *project.data.key_columns}]
