"""A project's rows and labels: those of a period, with their dates parsed and their columns checked."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa

from regrow.base.errors import DataError
from regrow.data.csv_files import guess_again
from regrow.data.readers import fingerprint_of, open_source
from regrow.data.selection import Kinds, Opened, Selection, join_chunks
from regrow.data.served_rows import PREDICTION_ID
from regrow.data.times import parse_times
from regrow.project import CsvSource, LogSource, Project, Source
from regrow.project.data import GroupSplit
from regrow.project.training import ByType


def read_source(
    project: Project,
    start: datetime | None = None,
    end: datetime | None = None,
    text: Collection[str] = (),
    columns: Collection[str] | None = None,
    as_of: datetime | None = None,
) -> pd.DataFrame:
    """Read the rows with an event time in [*start*, *end*), oldest first; *columns* of them, default all.

    What is not asked for is not read, or let go chunk by chunk: memory follows the rows of the period. A CSV file does
    not say which columns are *text*: unless it is told, digits alone are read as numbers. A prediction log gives the
    labels that were known at *as_of*.
    Raises `DataError` if a file or a column is missing, something cannot be read, or a date does not parse.
    """
    opened = open_source(project, project.data.source, "data.source")
    selection = replace(select_rows(project, start, end, text, columns), as_of=as_of)
    kinds = Kinds()
    frame = _whole(opened, selection, partial(rows_of, project, opened, kinds=kinds), kinds)
    if isinstance(project.data.source, CsvSource):
        frame = _guess_text(project, frame, selection, project.data.source)
    return _in_order(project, frame)


def read_table(project: Project, source: Source, key: str, most: int) -> tuple[pd.DataFrame, int]:
    """Read all columns of *source*, which stands under *key*, and *most* rows, spread over it if it is a file.

    Returns them and how many rows there are; of a CSV file of more than *most* it may be less, as lines are counted.
    """
    opened = open_source(project, source, key)
    frame = _whole(opened, Selection(most=most), opened.chunks)
    there = opened.count() if opened.count else 0
    return frame, there if there > most else len(frame)


def select_rows(
    project: Project,
    start: datetime | None,
    end: datetime | None,
    text: Collection[str] = (),
    columns: Collection[str] | None = None,
) -> Selection:
    """Select the rows of *project* with an event time in [*start*, *end*), and *columns* of them."""
    data = project.data
    named = None if columns is None else frozenset({*columns, *data.key_columns})
    return Selection(named, data.timestamp, start, end, data.timestamp_format, frozenset(text))


def rows_of(
    project: Project,
    opened: Opened,
    selection: Selection,
    *,
    kinds: Kinds | None = None,
    unlabelled: bool = False,
) -> Iterator[pd.DataFrame]:
    """Read what is selected of *opened* chunk by chunk, in its own order, with event times parsed.

    *kinds* learns what names a row in all chunks, also beside the period: a row has one name whatever is read with
    it. *unlabelled* rows may lack the target.

    Raises `DataError` if a column of the project file is missing, or an event time does not parse.
    """
    if opened.names is not None:
        check_columns(project, opened.names, unlabelled)
    known = opened.names is not None
    for chunk in opened.chunks(selection):
        if not known:
            _check_chunk(project, opened, selection, chunk, unlabelled)
            known = True
        if kinds is not None:
            kinds.add(chunk, project.data.key_columns)
        yield _of_period(project, opened, selection, selection.narrow(chunk))


def _check_chunk(
    project: Project, opened: Opened, selection: Selection, chunk: pd.DataFrame, unlabelled: bool
) -> None:
    """Raise `DataError` if a column of the project file is missing in *chunk*, the first of *opened*."""
    wanted, shown = selection.columns if opened.narrows else None, list(chunk.columns)
    try:
        check_columns(project, shown, unlabelled, wanted)
    except DataError:
        check_columns(project, _columns_there(opened, selection, shown), unlabelled, wanted)
        raise


def _columns_there(opened: Opened, selection: Selection, shown: list[str]) -> list[str]:
    """Return all columns of *opened*, of which *selection* has *shown* these: an error names them."""
    if opened.narrows:
        return list(next(opened.chunks(replace(selection, columns=None))).columns)
    return opened.names or shown


def _of_period(project: Project, opened: Opened, selection: Selection, chunk: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of *chunk* that are of the period, with their event times parsed."""
    column, where = selection.timestamp, f"{project.path}: data.timestamp"
    if column is None:
        return chunk
    try:
        times = parse_times(chunk[column], where, selection.time_format)
    except DataError:
        # The error names the row of the source, not of the chunk, and counts all such rows.
        everything = Selection(frozenset({column}), column, time_format=selection.time_format)
        whole = join_chunks(everything.narrow(each) for each in opened.chunks(everything))
        parse_times(whole[column], where, selection.time_format)
        raise
    within = np.ones(len(chunk), dtype=bool)
    if selection.start is not None:
        within &= (times >= selection.start).to_numpy()
    if selection.end is not None:
        within &= (times < selection.end).to_numpy()
    chunk = chunk.assign(**{column: times})
    return chunk if within.all() else chunk[within]


def _whole(
    opened: Opened,
    selection: Selection,
    read: Callable[[Selection], Iterator[pd.DataFrame]],
    kinds: Kinds | None = None,
) -> pd.DataFrame:
    """Read all that is selected; text in one chunk and numbers in another of an untyped source are text in both."""
    chunks = list(read(selection))
    mixed = Kinds(chunks).mixed | (kinds.mixed if kinds else frozenset()) if opened.untyped else frozenset()
    if mixed - selection.text:
        chunks = list(read(replace(selection, text=selection.text | mixed)))
    return join_chunks(chunks)


def _guess_text(
    project: Project, frame: pd.DataFrame, selection: Selection, source: CsvSource
) -> pd.DataFrame:
    """Guess anew which text of a CSV file is none: what made it text may stand in rows beside the period."""
    told = {*source.text, *selection.text, *project.data.key_columns}
    text = [
        name
        for name in frame.columns
        if name not in told
        and isinstance(frame[name].dtype, pd.StringDtype)
        and looks_like_numbers(frame[name])
    ]
    return guess_again(frame, text, source, f"{project.path}: data.source") if text else frame


def looks_like_numbers(values: pd.Series) -> bool:
    """Return whether a number stands in each of some rows of *values* that are evenly spaced."""
    some = values.dropna()
    some = some.iloc[:: max(len(some) // 200, 1)]
    return bool(len(some)) and bool(pd.to_numeric(some, errors="coerce").notna().all())


def _in_order(project: Project, frame: pd.DataFrame) -> pd.DataFrame:
    """Sort *frame* by its event times, if it has them, then by what else names a row; a log has no order of its own."""
    column, logged = project.data.timestamp, [name for name in _named_by_log(project) if name in frame]
    order = [*(reversed(project.data.key_columns) if column else ()), *logged]
    if order and not (column and frame[column].is_monotonic_increasing and frame[column].is_unique):
        frame = frame.sort_values(order, kind="stable")
    return frame.reset_index(drop=True)


def read_label_source(project: Project, source: Source, start: datetime, as_of: datetime) -> pd.DataFrame:
    """Read the labels known in [*start*, *as_of*] from *source*: the row's name, `label`, `labelled_at`.

    Raises `DataError` if the source cannot be read, lacks a column, or has a date that does not parse.
    """
    opened, data = open_source(project, source, "data.labels"), project.data
    wanted = {"prediction_id", "label", "labelled_at", *data.key_columns}
    selection = Selection(frozenset(wanted), "labelled_at", start, as_of)
    frame = _whole(opened, selection, opened.chunks)
    columns = {"row_key": data.id, "entity_id": data.entity}
    names = {column: name for name, column in columns.items() if column} | {"prediction_id": "prediction_id"}
    if opened.names is None and not len(frame) and not len(frame.columns):  # A hook that has no label yet.
        return pd.DataFrame(columns=[*names.values(), "label", "labelled_at"])
    found = [name for name in names if name in frame.columns]
    missing = [name for name in ("label", "labelled_at") if name not in frame.columns]
    if missing or not found:
        wanted = missing[0] if missing else "` or `".join(names)
        there = _listed(_columns_there(opened, selection, list(frame.columns)))
        raise DataError(f"{project.path}: data.labels: the data has no column `{wanted}`; it has {there}")
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
        times = _parse_events(labels[event].dropna(), where, data.timestamp_format)
        labels = labels.assign(**{event: times.reindex(labels.index)})
        names, found = names | {event: "event_time"}, [*found, event]
    within = labels["labelled_at"].between(pd.Timestamp(start), pd.Timestamp(as_of))
    return labels.loc[within, [*found, "label", "labelled_at"]].rename(columns=names).reset_index(drop=True)


def _parse_events(values: pd.Series, where: str, written: str | None) -> pd.Series:
    """Return the event times of labels: *written* as those of the rows are, or by ISO 8601."""
    try:
        return parse_times(values, where, written)
    except DataError:
        if written is None:
            raise
        return parse_times(values, where)


def as_names(values: pd.Series) -> pd.Series:
    """Write the ids in *values* as text, as requests to the model server do; a missing one is empty text.

    Whole numbers that a missing value made floats keep their names: row 7 is `7`, not `7.0`.
    """
    if isinstance(values.dtype, pd.StringDtype):
        return values.astype("object").where(values.notna(), "")
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iu":
        text = pa.array(values.to_numpy()).cast(pa.string()).to_numpy(zero_copy_only=False)
        return pd.Series(text, index=values.index, name=values.name, dtype="object")
    codes, found = pd.factorize(values, use_na_sentinel=True)
    names = np.array([*map(_name, found), ""], dtype=object)
    return pd.Series(names[codes], index=values.index, name=values.name)


def _name(value: object) -> str:
    """Write what names a row as a request to the model server does."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def fingerprint(project: Project) -> str | None:
    """Return a text that changes when the source's rows do; None if the source cannot tell cheaply."""
    return fingerprint_of(project, project.data.source, "data.source")


def check_columns(
    project: Project,
    columns: Collection[str],
    unlabelled: bool = False,
    wanted: Collection[str] | None = None,
) -> None:
    """Raise `DataError` naming the first column of the project file that is not among *columns*.

    The rows may be *unlabelled*, without the target. Only those that were *wanted* need be there; None: all.
    """
    data = project.data
    training = {"data.target": data.target, "training.sample_weight": project.training.weight_column}
    named = {} if unlabelled else training
    named |= {"data.timestamp": data.timestamp, "data.id": data.id, "data.entity": data.entity}
    named |= {f"data.features[{place}]": column for place, column in enumerate(data.features or ())}
    for key, column in named.items():
        if column is not None and column not in columns and (wanted is None or column in wanted):
            raise DataError(
                f"{project.path}: {key}: the data has no column `{column}`; it has {_listed(columns)}"
            )


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(list(columns)[:20]) or "none"


def feature_columns(project: Project, columns: list[str]) -> list[str]:
    """Return the columns that the model sees: those of the project file, or all but those that mean something else.

    These are the target, what names a row or its prediction, the rows' weights, and the groups that the split keeps
    together: a model would know those of the training by heart. If dates become ages, the event's time is one too.
    """
    data, training = project.data, project.training
    others = {data.target, *data.key_columns, training.weight_column, *_named_by_log(project)}
    others |= {data.split.column} if isinstance(data.split, GroupSplit) else set()
    found = data.features if data.features is not None else [name for name in columns if name not in others]
    aged = isinstance(training.preprocessing, ByType) and training.preprocessing.dates == "age"
    return [*found, *([data.timestamp] if aged and data.timestamp and data.timestamp not in found else [])]


def training_columns(project: Project, more: Collection[str] = ()) -> frozenset[str] | None:
    """Return the columns that a training reads: *more*, and those that stand in the project file; None: all of them.

    All are read if the file does not name its features, or expects something of the table's columns as a whole.
    """
    data = project.data
    expected = [each.expect for each in data.expectations if "table_row_count" not in each.expect]
    whole = any("table" in name or "query" in name for name in expected)
    return (
        None
        if data.features is None or whole
        else frozenset({*more, *_named_by_log(project), *_texts(project.model_dump(exclude={"path"}))})
    )


def _named_by_log(project: Project) -> set[str]:
    """Return the column by which a row that was logged leads to its prediction, if rows come from the log."""
    return {PREDICTION_ID} if isinstance(project.data.source, LogSource) else set()


def _texts(content: object) -> Iterator[str]:
    """Return every text in *content*, keys too."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for pair in content.items():
            yield from _texts(pair)
    elif isinstance(content, list | tuple | set | frozenset):
        for each in content:
            yield from _texts(each)
