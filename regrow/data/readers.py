"""Open one kind of source: csv, parquet, Delta Lake, sql, a Python callable, a data set of scikit-learn, a log.

Every error names the project file, the key, and what is wrong. An outage of a database or of a hook's service is
`Unreachable` and may pass; anything else stays wrong until somebody mends it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from regrow.base.errors import DataError, Unreachable
from regrow.data.columnar import open_dataset, open_parquet
from regrow.data.csv_files import open_csv
from regrow.data.delta import plain_words
from regrow.data.queries import open_query
from regrow.data.selection import Opened, Selection
from regrow.data.served_rows import log_state, open_log
from regrow.data.times import FIRST, LAST
from regrow.project import (
    CsvSource,
    DeltaSource,
    LogSource,
    ParquetSource,
    Project,
    PythonSource,
    SklearnSource,
    Source,
    SqlSource,
)
from regrow.project.imports import describe_error, naming_origin


def open_source(project: Project, source: Source, key: str) -> Opened:
    """Open *source*, which stands under *key* in the project file; it is read chunk by chunk.

    A file gives the rows of the period and the columns that are wanted, a query and a callable what they return for
    it. Raises `DataError`, `ProjectError` or `Unreachable`, each naming file and key.
    """
    where = f"{project.path}: {key}"
    match source:
        case CsvSource():
            names = {project.data.id, project.data.entity} - {None, *(project.data.features or ())}
            opened = open_csv(source, _find(project, source.path, where), where, [*filter(None, names)])
        case ParquetSource():
            path = _find(project, source.path, where)
            opened = open_parquet(path, f"{where}.path: {path}")
        case DeltaSource():
            opened = _open_delta_rows(project, source, where)
        case SqlSource():
            opened = open_query(source, where)
        case PythonSource():
            opened = Opened(None, partial(_call_load, project, source, key))
        case SklearnSource():
            opened = Opened(None, partial(_load_sklearn, source, project.data.target))
        case LogSource():
            opened = open_log(project, source, where)
    place = _place(source, where)
    if opened.names is not None:
        check_names(opened.names, place)
    return replace(opened, chunks=partial(_checked, opened, place))


def _checked(opened: Opened, place: str, selection: Selection) -> Iterator[pd.DataFrame]:
    """Read what is selected of *opened*; raise `DataError` that begins with *place* if its columns cannot be."""
    for chunk in opened.chunks(selection):
        if opened.names is None:
            check_names(chunk.columns, place)
        yield chunk


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
        case LogSource():
            return log_state(project, source)
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


def check_names(names: Iterable[object], where: str) -> None:
    """Raise `DataError` if two of the columns *names* are the same, or one is no text."""
    names = list(names)
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


def _find(project: Project, path: str, where: str) -> Path:
    """Return the file or folder at *path*, beside the project file."""
    found = project.path.parent / path
    if not found.exists():
        raise DataError(f"{where}.path: {found} does not exist")
    return found


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


def _open_delta_rows(project: Project, source: DeltaSource, where: str) -> Opened:
    """Open the newest version of a Delta table for its rows."""
    from deltalake.exceptions import DeltaError

    table, place = _open_delta(project, source, where), f"{where}.path: {project.path.parent / source.path}"
    try:
        return open_dataset(table.to_pyarrow_dataset(), place)
    except DeltaError as error:
        raise DataError(f"{place}: cannot be read: {plain_words(error)}") from error


def _call_load(
    project: Project, source: PythonSource, key: str, selection: Selection
) -> Iterator[pd.DataFrame]:
    """Call the hook of *source* for the period, and return what it gave, if it is a frame."""
    moments = selection.start or FIRST, selection.end or LAST
    found = call_hook(project, f"{key}.load", source.load, *moments)
    if isinstance(found, pd.DataFrame):
        yield found
        return
    gave = "returned nothing; return" if found is None else f"gave {type(found).__name__}, not"
    raise DataError(f"{project.path}: {key}.load: {source.load}: it {gave} a pandas DataFrame")


def _load_sklearn(source: SklearnSource, target: str, selection: Selection) -> Iterator[pd.DataFrame]:
    """Load a data set that ships with scikit-learn; *target* is the name of its last column."""
    import sklearn.datasets

    bunch = getattr(sklearn.datasets, f"load_{source.dataset}")(as_frame=True)
    yield bunch.frame.rename(columns={"target": target})
