"""Read all that one kind of source gives: csv, parquet, Delta Lake, sql, a Python callable, a data set of scikit-learn.

Every error names the project file, the key, and what is wrong. An outage of a database or of a hook's service is
`Unreachable` and may pass; anything else stays wrong until somebody mends it.
"""

import hashlib
import os
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from regrow.data.delta import plain_words
from regrow.errors import DataError, ProjectError, Unreachable
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
from regrow.project.imports import describe_error, naming_origin


def read_rows(
    project: Project, source: Source, key: str, start: datetime, end: datetime, text: Collection[str] = ()
) -> pd.DataFrame:
    """Read every row that *source*, which stands under *key* in the project file, has for [*start*, *end*).

    Only a query and a callable can look at the two moments; a file gives all its rows. A CSV file does not say which
    columns are *text*: unless it is told, digits alone are read as numbers. Raises `DataError`,
    `ProjectError` or `Unreachable`, each naming file and key.
    """
    where = f"{project.path}: {key}"
    match source:
        case CsvSource():
            frame = _read_csv(project, source, where, text)
        case ParquetSource():
            frame = _read_parquet(_find(project, source.path, where), where)
        case DeltaSource():
            frame = _read_delta(project, source, where)
        case SqlSource():
            frame = _read_sql(source, where, start, end)
        case PythonSource():
            frame = _called(call_hook(project, f"{key}.load", source.load, start, end), where, source.load)
        case SklearnSource():
            frame = _read_sklearn(source, project.data.target)
    check_names(frame, _place(source, where))
    return frame


def fingerprint_of(project: Project, source: Source, key: str) -> str | None:
    """Return a text that changes when the rows of *source* do; None if it cannot tell cheaply."""
    where = f"{project.path}: {key}"
    match source:
        case CsvSource() | ParquetSource():
            path = _find(project, source.path, where)
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            stats = [
                (str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()
            ]
            return hashlib.sha256(repr(stats).encode()).hexdigest()
        case DeltaSource():
            return f"{source.path}@{_open_delta(project, source, where).version()}"
        case PythonSource(fingerprint=str(reference)):
            return str(call_hook(project, f"{key}.fingerprint", reference))
        case SklearnSource():
            import sklearn

            return f"{source.dataset}@{sklearn.__version__}"
        case _:
            return None


def call_hook(project: Project, key: str, reference: str, *arguments: Any) -> Any:
    """Call the hook at *reference* with *arguments*; whatever it raises names hook, file, line and exception."""
    hook, where = project.resolve(reference, key), f"{project.path}: {key}: {reference}"
    with naming_origin(DataError, where, project.path.parent):
        try:
            return hook(*arguments)
        except (ConnectionError, TimeoutError) as error:
            raise Unreachable(f"{where}: {describe_error(error, project.path.parent)}") from error


def check_names(frame: pd.DataFrame, where: str) -> None:
    """Raise `DataError` if *frame* has no column, two of one name, or one whose name is no text."""
    names = list(frame.columns)
    for name in names:
        if not isinstance(name, str):
            raise DataError(f"{where}: column {name!r} has a name that is no text; name it by a string")
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{where}: the data has two columns named `{twice}`; rename one, or leave it out")


def _place(source: Source, where: str) -> str:
    """Return *where* with what of *source* decides its columns."""
    match source:
        case PythonSource():
            return f"{where}.load: {source.load}"
        case SqlSource():
            return f"{where}.query"
        case CsvSource() | ParquetSource() | DeltaSource():
            return f"{where}.path: {source.path}"
        case _:
            return where


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Turn what pandas and Arrow raise on broken files into a `DataError` that begins with *where*."""
    try:
        yield
    # ParserError, EmptyDataError, UnicodeDecodeError and most errors of Arrow are ValueErrors.
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{where}: cannot be read: {plain_words(error)}") from error


def _find(project: Project, path: str, where: str) -> Path:
    """Return the file or folder at *path*, beside the project file."""
    found = project.path.parent / path
    if not found.exists():
        raise DataError(f"{where}.path: {found} does not exist")
    return found


def _read_csv(project: Project, source: CsvSource, where: str, text: Collection[str]) -> pd.DataFrame:
    """Read a CSV file; a row with more fields than the header would shift its values by one column."""
    path = _find(project, source.path, where)
    simple = len(source.separator) == 1
    try:
        re.compile(re.escape(source.separator) if simple else source.separator)
    except re.error as error:
        raise ProjectError(
            f"{where}.separator: `{source.separator}` is no regular expression: {error}"
        ) from error
    with _readable(f"{where}.path: {path}"), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                path,
                sep=source.separator,
                index_col=False,
                engine="c" if simple else "python",
                dtype=dict.fromkeys(text, "str"),
                float_precision="round_trip"
                if simple
                else None,  # as Python and the model server read a number
            )
        except pd.errors.ParserWarning as error:
            raise DataError(
                f"{where}.path: {path}: a row has more fields than its header; name every column in the first line"
            ) from error


def _read_parquet(path: Path, where: str) -> pd.DataFrame:
    with _readable(f"{where}.path: {path}"):
        frame = pd.read_parquet(path)
    if frame.columns.empty:
        raise DataError(
            f"{where}.path: {path}: there is no column in it; name a folder that holds Parquet files"
        )
    return frame


def _open_delta(project: Project, source: DeltaSource, where: str) -> Any:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    remote = "://" in source.path
    place = source.path if remote else str(project.path.parent / source.path)
    try:
        return DeltaTable(place)
    except TableNotFoundError as error:
        raise DataError(f"{where}.path: no Delta table at {place}") from error
    except (DeltaError, OSError) as error:
        kind = Unreachable if remote and isinstance(error, OSError) else DataError
        raise kind(
            f"{where}.path: {place}: the Delta table cannot be opened: {plain_words(error)}"
        ) from error


def _read_delta(project: Project, source: DeltaSource, where: str) -> pd.DataFrame:
    from deltalake.exceptions import DeltaError

    table = _open_delta(project, source, where)
    with _readable(f"{where}.path: {project.path.parent / source.path}"):
        try:
            return table.to_pandas()
        except DeltaError as error:
            raise DataError(f"{where}.path: {source.path}: cannot be read: {plain_words(error)}") from error


def _read_sql(source: SqlSource, where: str, start: datetime, end: datetime) -> pd.DataFrame:
    """Read what the query gives, with `:start` and `:end` bound; no error shows the URL, which holds a password."""
    import sqlalchemy as sa
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    url = os.environ.get(source.url_env)
    if not url:
        raise ProjectError(f"{where}.url_env: ${source.url_env} is not set; give the database's URL")
    given = {"start": start, "end": end}
    bound = {name: given[name] for name in given if re.search(rf"(?<![:\w]):{name}\b", source.query)}
    try:
        connection = sa.create_engine(url).connect()
    except DBAPIError as error:
        detail = plain_words(error.orig or error).replace(url, "***")
        raise Unreachable(
            f"{where}.url_env: ${source.url_env}: the database does not answer: {detail}"
        ) from error
    except ImportError as error:
        raise ProjectError(
            f"{where}.url_env: ${source.url_env}: {error}; install the database's driver"
        ) from error
    except (SQLAlchemyError, ValueError) as error:
        detail = plain_words(error).replace(url, "***")
        raise ProjectError(
            f"{where}.url_env: ${source.url_env}: {detail}; write DIALECT+DRIVER://USER:PASSWORD@HOST/DATABASE"
        ) from error
    with connection:
        try:
            return pd.read_sql(sa.text(source.query), connection, params=bound)
        except (SQLAlchemyError, pd.errors.DatabaseError) as error:
            raise _query_error(error, f"{where}.query failed on ${source.url_env}") from error


def _query_error(error: Exception, where: str) -> DataError | Unreachable:
    """Return the error for what a query raised: the database's own words, and whether it may pass."""
    from sqlalchemy.exc import DBAPIError, ResourceClosedError, SQLAlchemyError, StatementError

    cause = error if isinstance(error, SQLAlchemyError) else (error.__cause__ or error)
    detail = plain_words(getattr(cause, "orig", None) or cause)
    if isinstance(cause, DBAPIError) and cause.connection_invalidated:
        return Unreachable(f"{where}: the database has closed the connection: {detail}")
    if isinstance(cause, ResourceClosedError):
        return DataError(f"{where}: it does not return rows; write a SELECT")
    if isinstance(cause, StatementError) and not isinstance(cause, DBAPIError):
        return DataError(f"{where}: {detail}; only :start and :end are bound")
    return DataError(f"{where}: {detail}")


def _called(found: object, where: str, reference: str) -> pd.DataFrame:
    """Return what a callable gave, if it is a frame."""
    if isinstance(found, pd.DataFrame):
        return found
    if found is None:
        raise DataError(f"{where}.load: {reference}: it returned nothing; return a pandas DataFrame")
    raise DataError(f"{where}.load: {reference}: it gave {type(found).__name__}, not a pandas DataFrame")


def _read_sklearn(source: SklearnSource, target: str) -> pd.DataFrame:
    import sklearn.datasets

    bunch = getattr(sklearn.datasets, f"load_{source.dataset}")(as_frame=True)
    return bunch.frame.rename(columns={"target": target})
