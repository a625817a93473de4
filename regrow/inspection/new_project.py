"""Make a project file for a table: `regrow init`."""

import codecs
import csv
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pandas as pd

from regrow.base.errors import DataError, ProjectError, Unreachable
from regrow.data.columnar import partitions_of
from regrow.data.compression import BLOCK, open_bytes
from regrow.data.csv_files import convert, find_codes
from regrow.data.delta_files import LOG_FOLDER
from regrow.data.queries import bounded, bounds_of, open_query
from regrow.data.selection import Selection
from regrow.data.sources import read_table
from regrow.data.text_columns import better_reading
from regrow.data.times import parse_times
from regrow.inspection.project_file import write_project_file
from regrow.inspection.report import report_lines
from regrow.inspection.suggestions import suggest
from regrow.inspection.table import inspect_table
from regrow.project import (
    CsvSource,
    Data,
    DeltaSource,
    EvaluationPlan,
    ParquetSource,
    Project,
    Source,
    SqlSource,
    Training,
    load_project,
)

MOST = 200_000
"""Rows of a Parquet or CSV file that are read at most."""
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
"""How files of these encodings begin; the longer marks come first."""
FIRST_LINE = 1 << 20
"""Bytes of which the first line is looked at."""
SEPARATORS = (",", ";", "\t", "|")
ENDINGS = re.compile(r"(\.(csv|tsv|txt|parquet|pq|gz|bz2|zip|xz|zst))+$", re.IGNORECASE)


def make_project_file(
    table: str, target: str, folder: Path, name: str | None = None, url_env: str | None = None
) -> tuple[Path, Sequence[tuple[str, str]]]:
    """Write `NAME.yaml` in *folder* for *table*, a file, a folder or, with *url_env*, a query; *target* is predicted.

    Returns the file and what was found, each in a line with a word for what it is about.
    Raises `ProjectError` if the file exists or the name is none, `DataError` if the table cannot be read or used.
    """
    name = name or _name_after(table, url_env)
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", name):
        raise ProjectError(
            f"--name {name}: write small letters, digits and dashes, a letter first, at most 63"
        )
    file = folder.absolute() / f"{name}.yaml"
    if file.exists():
        raise ProjectError(f"{file} exists and is not written over; give another --name, or move it away")
    source = find_source(table, url_env)
    frame, rows, source = read_well(_bare_project(name, source, target, file), source)
    partitions = partitions_of(Path(source.path)) if isinstance(source, ParquetSource) else ()
    facts = inspect_table(
        frame, target, table, source if isinstance(source, CsvSource) else None, partitions, rows
    )
    suggestion = suggest(frame, facts)
    if isinstance(source, SqlSource) and facts.keys.timestamp:
        source = bound_query(source, frame, facts.keys.timestamp)
    text = write_project_file(name, _seen_from(file.parent, source), facts, suggestion)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text)
    load_project(file)
    unsure = [("unsure", line) for line in _doubts_of_reading(source, facts.keys.timestamp)]
    return file, [*report_lines(frame, facts, suggestion), *unsure]


def _doubts_of_reading(source: Source, timestamp: str | None) -> Iterator[str]:
    """Yield what a person should look at: how a CSV file was read, a query that does not bound the *timestamp*."""
    if isinstance(source, SqlSource) and timestamp and "start" not in bounds_of(source):
        yield f"each run reads all rows: bound the query by `{timestamp}`, `:start` and `:end`"
    if isinstance(source, CsvSource) and source.encoding in {"cp1252", "latin-1"}:
        yield f"the file is not UTF-8 and is read as {source.encoding}; if words look wrong, write its `encoding`"


def read_well(project: Project, source: Source) -> tuple[pd.DataFrame, int, Source]:
    """Read *source*, `MOST` rows of a large file; return them, how many rows there are, and the source.

    Of a CSV file whose text holds amounts it is the source that reads them. Codes of digits that begin with zeros, such
    as 01067, are text in both.
    """
    if not isinstance(source, CsvSource):
        return *read_table(project, source, "data.source", MOST), source
    codes = find_codes(source, Path(source.path), "data.source")
    source = source.model_copy(update={"text": codes})
    frame, rows = read_table(project, source, "data.source", MOST)
    better = better_reading(frame, source)
    if better.decimal != source.decimal:  # It makes numbers of text: the file is read anew.
        frame, rows = read_table(project, better, "data.source", MOST)
        better = better_reading(frame, better)
    return convert(frame, better, "data.source"), rows, better


def find_source(table: str, url_env: str | None = None) -> Source:
    """Return the source that *table* is: a query if *url_env* names a database, else a file or folder.

    Raises `ProjectError` if there is no such file or folder.
    """
    if url_env is not None:
        return SqlSource(kind="sql", url_env=url_env, query=table)
    path = Path(table).absolute()
    if not path.exists():
        raise ProjectError(
            f"{table}: no such file or folder; a query needs --url-env with the database's address"
        )
    if (path / LOG_FOLDER).is_dir():
        return DeltaSource(kind="delta", path=str(path))
    if path.is_dir():
        return ParquetSource(kind="parquet", path=str(path))
    with path.open("rb") as stream:
        if stream.read(4) == b"PAR1":
            return ParquetSource(kind="parquet", path=str(path))
    encoding = find_encoding(path)
    return CsvSource(kind="csv", path=str(path), separator=find_separator(path, encoding), encoding=encoding)


def _seen_from(folder: Path, source: Source) -> Source:
    """Return *source* with its path as a project file in *folder* names it."""
    if isinstance(source, CsvSource | ParquetSource | DeltaSource):
        return source.model_copy(update={"path": os.path.relpath(source.path, folder)})
    return source


def bound_query(source: SqlSource, frame: pd.DataFrame, timestamp: str) -> SqlSource:
    """Return *source*, which gave *frame*, bounded by *timestamp*.

    It stays as it is if it has bounds, or if the database then gives other rows: so it does where times are text that
    is written in another way than the database's own.
    """
    if "start" in bounds_of(source):
        return source
    asked, times = bounded(source, timestamp), parse_times(frame[timestamp], "").sort_values()
    middle = times.iloc[len(times) // 2].to_pydatetime()
    later = middle + timedelta(microseconds=1)
    expected = {
        Selection(timestamp=timestamp): len(times),
        Selection(timestamp=timestamp, start=middle): int((times >= middle).sum()),
        Selection(timestamp=timestamp, end=later): int((times <= middle).sum()),
    }
    try:
        chunks = {selection: open_query(asked, "--url-env").chunks(selection) for selection in expected}
        found = {selection: sum(map(len, chunks[selection])) for selection in expected}
    except (DataError, Unreachable):
        return source
    return asked if found == expected else source


def find_separator(path: Path, encoding: str = "utf-8") -> str:
    """Return what separates the fields of the CSV file at *path*: what its first line has most of."""
    with open_bytes(path, str(path)) as stream:
        begin = stream.read(FIRST_LINE).decode(encoding, errors="replace")
    first = next(iter(begin.splitlines()), "")
    counts = Counter({each: len(next(csv.reader([first], delimiter=each), [])) for each in SEPARATORS})
    return max(SEPARATORS, key=lambda each: counts[each])


def find_encoding(path: Path) -> str:
    """Return how the CSV file at *path* is written: as its mark says, else UTF-8 if all of it can be read so.

    Else it is cp1252, or Latin-1 if some of its bytes mean nothing in that. Raises `DataError` if it holds zero bytes,
    as text of UTF-16 without its mark does.
    """
    decoders = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "cp1252")}
    with open_bytes(path, str(path)) as stream:
        block = stream.read(BLOCK)
        if marked := next((name for mark, name in MARKS.items() if block.startswith(mark)), None):
            return marked
        if b"\0" in block:
            raise DataError(
                f"{path}: it holds zero bytes, so it is no CSV file, or UTF-16 without its mark; save it as UTF-8"
            )
        while block and decoders:
            for name in list(decoders):
                try:
                    decoders[name].decode(block)
                except UnicodeDecodeError:
                    del decoders[name]
            block = stream.read(BLOCK)
    return next(iter(decoders), "latin-1")


def _name_after(table: str, url_env: str | None) -> str:
    """Return a model's name after the file name of *table*."""
    if url_env is not None:
        raise ProjectError("--name: a query has no name of its own; give the model one")
    stem = ENDINGS.sub("", Path(table).absolute().name)
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:63] or "model"


def _bare_project(name: str, source: Source, target: str, file: Path) -> Project:
    """Return a project of nothing but its source, for the readers."""
    data = Data(source=source, target=target)
    training, evaluation = (
        Training(estimator="sklearn.dummy.DummyClassifier"),
        EvaluationPlan(primary="accuracy"),
    )
    return Project(name=name, data=data, training=training, evaluation=evaluation, path=file, digest="")
