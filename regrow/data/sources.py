"""Read a project's rows: csv, parquet, Delta Lake, sql, a Python callable, or a data set of scikit-learn."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regrow.errors import DataError, ProjectError
from regrow.project import (
    CsvSource,
    DeltaSource,
    ParquetSource,
    Project,
    PythonSource,
    SklearnSource,
    Source,
    SqlSource,
)

FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def read_source(project: Project, start: datetime | None = None, end: datetime | None = None) -> pd.DataFrame:
    """Read the rows with an event time in [*start*, *end*), oldest first, all columns.

    Raises `DataError` where a file is missing, a column is missing, or a date does not parse.
    """
    frame = _read(project, project.data.source, start or FIRST, end or LAST)
    check_columns(project, frame)
    column = project.data.timestamp
    if column is None:
        return frame.reset_index(drop=True)
    frame = frame.assign(**{column: parse_times(frame[column], column, project.path)})
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

    Raises `DataError` where the source cannot be read, lacks a column, or has a date that does not parse.
    """
    frame = _read(project, source, start, as_of, "data.labels")
    names = {project.data.id: "entity_id", "prediction_id": "prediction_id"}
    found = [name for name in names if name in frame.columns]
    missing = [name for name in ("label", "labelled_at") if name not in frame.columns]
    if missing or not found:
        has = ", ".join(map(str, frame.columns[:20]))
        wanted = missing[0] if missing else f"{project.data.id}` or `prediction_id"
        raise DataError(f"{project.path}: data.labels: the data has no column `{wanted}`; it has {has}")
    labels = frame[frame["label"].notna()]
    labels = labels.assign(labelled_at=parse_times(labels["labelled_at"], "labelled_at", project.path))
    # A column with gaps makes whole numbers floats; a request names row 7 by "7".
    labels = labels.assign(**{name: labels[name].map(_name, na_action="ignore") for name in found})
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
    """Give a text that changes when the source's rows do; None where the source cannot tell cheaply."""
    source = project.data.source
    match source:
        case CsvSource() | ParquetSource():
            path = _path(project, source.path)
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            stats = [
                (str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()
            ]
            return hashlib.sha256(repr(stats).encode()).hexdigest()
        case DeltaSource():
            return f"{source.path}@{_open_delta(project, source).version()}"
        case PythonSource(fingerprint=str(reference)):
            return str(project.resolve(reference)())
        case SklearnSource():
            import sklearn

            return f"{source.dataset}@{sklearn.__version__}"
        case _:
            return None


def check_columns(project: Project, frame: pd.DataFrame) -> None:
    """Raise `DataError` naming the first column of the project file that *frame* lacks."""
    data = project.data
    named = {"data.target": data.target, "data.timestamp": data.timestamp, "data.id": data.id}
    named |= {f"data.features[{place}]": column for place, column in enumerate(data.features or ())}
    for key, column in named.items():
        if column is not None and column not in frame.columns:
            has = ", ".join(map(str, frame.columns[:20]))
            raise DataError(f"{project.path}: {key}: the data has no column `{column}`; it has {has}")


def feature_columns(project: Project, columns: list[str]) -> list[str]:
    """Give the columns that the model sees: those of the project file, or all but target, timestamp and id."""
    if project.data.features is not None:
        return list(project.data.features)
    return [column for column in columns if column not in {project.data.target, *project.data.key_columns}]


def parse_times(values: pd.Series, column: str, path: Path) -> pd.Series:
    """Parse *values* as UTC moments, in microseconds.

    Raises `DataError` naming the column, the first row and the value that do not parse.
    """
    times = pd.to_datetime(
        values, utc=True, errors="coerce", format=None if _has_dates(values) else "ISO8601"
    )
    bad = times.isna()
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise DataError(
            f"{path}: column `{column}`, row {row}: {values.iloc[row]!r} is not a date ({int(bad.sum())} such rows); "
            "write dates as 2013-04-01T12:00:00Z"
        )
    return times.dt.as_unit("us")


def _has_dates(values: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(values)


def _read(
    project: Project, source: Source, start: datetime, end: datetime, key: str = "data.source"
) -> pd.DataFrame:
    """Read what *source*, which stands under *key* in the project file, gives, before it is checked."""
    try:
        match source:
            case CsvSource():
                return pd.read_csv(_path(project, source.path, key), sep=source.separator)
            case ParquetSource():
                return pd.read_parquet(_path(project, source.path, key))
            case DeltaSource():
                return _open_delta(project, source, key).to_pandas()
            case SqlSource():
                return _read_sql(project, source, start, end, key)
            case PythonSource():
                return _called(project, project.resolve(source.load)(start, end), key)
            case SklearnSource():
                return _read_sklearn(source, project.data.target)
    except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{project.path}: {key} cannot be read: {error}") from error


def _called(project: Project, frame: object, key: str) -> pd.DataFrame:
    """Refuse what a callable gave where it is no frame."""
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{project.path}: {key} gave {type(frame).__name__}, not a pandas DataFrame")
    return frame


def _path(project: Project, path: str, key: str = "data.source") -> Path:
    """Resolve *path* beside the project file."""
    found = project.path.parent / path
    if not found.exists():
        raise DataError(f"{project.path}: {key}.path: {found} does not exist")
    return found


def _open_delta(project: Project, source: DeltaSource, key: str = "data.source") -> Any:
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    place = source.path if "://" in source.path else str(project.path.parent / source.path)
    try:
        return DeltaTable(place)
    except TableNotFoundError as error:
        raise DataError(f"{project.path}: {key}.path: no Delta table at {place}") from error


def _read_sql(project: Project, source: SqlSource, start: datetime, end: datetime, key: str) -> pd.DataFrame:
    import sqlalchemy as sa
    from sqlalchemy.exc import SQLAlchemyError

    url = os.environ.get(source.url_env)
    if not url:
        raise ProjectError(
            f"{project.path}: {key}.url_env: ${source.url_env} is not set; give the database's URL"
        )
    bound = {name: value for name, value in (("start", start), ("end", end)) if f":{name}" in source.query}
    try:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            return pd.read_sql(sa.text(source.query), connection, params=bound)
    except (SQLAlchemyError, pd.errors.DatabaseError) as error:
        cause = error if isinstance(error, SQLAlchemyError) else error.__cause__
        detail = str(getattr(cause, "orig", None) or type(cause).__name__).splitlines()[0]
        raise DataError(f"{project.path}: {key}.query failed on ${source.url_env}: {detail}") from error


def _read_sklearn(source: SklearnSource, target: str) -> pd.DataFrame:
    import sklearn.datasets

    bunch = getattr(sklearn.datasets, f"load_{source.dataset}")(as_frame=True)
    return bunch.frame.rename(columns={"target": target})
