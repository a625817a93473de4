"""Make a project file for a table: `regrow init`."""

import codecs
import csv
import gzip
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from regrow.data.csv_files import find_padded
from regrow.data.sources import read_table
from regrow.data.text_columns import better_reading, suspect
from regrow.errors import DataError, ProjectError
from regrow.inspection.columns import is_number
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

BEGIN = 4_000_000
"""Bytes by which the encoding is told."""
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
    frame, source = read_well(_bare_project(name, source, target, file), source)
    facts = inspect_table(frame, target, table, suspected_text(frame, source))
    suggestion = suggest(frame, facts)
    text = write_project_file(name, _seen_from(file.parent, source), facts, suggestion)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text)
    load_project(file)
    return file, list(report_lines(frame, facts, suggestion))


def read_well(project: Project, source: Source) -> tuple[pd.DataFrame, Source]:
    """Read *source*; of a CSV file whose text holds amounts, return the source that reads them, and its rows.

    Codes of digits that begin with zeros, such as 01067, are text in both.
    """
    frame = read_table(project, source, "data.source")
    if codes := _find_codes(frame, source):
        source = source.model_copy(update={"text": codes})
        frame = read_table(project, source, "data.source")
    for _ in range(2):  # A decimal comma is found first, and then what is an amount by it.
        better = better_reading(frame, source) if isinstance(source, CsvSource) else source
        if better == source:
            break
        frame, source = read_table(project, better, "data.source"), better
    return frame, source


def _find_codes(frame: pd.DataFrame, source: Source) -> tuple[str, ...]:
    """Return the columns of a CSV file whose whole numbers would lose the zeros that they begin with."""
    if not isinstance(source, CsvSource):
        return ()
    numbers = [
        str(name) for name in frame if is_number(frame[name]) and (frame[name].dropna() % 1 == 0).all()
    ]
    return find_padded(source, Path(source.path), "data.source", numbers)


def suspected_text(frame: pd.DataFrame, source: Source) -> dict[str, str]:
    """Return the text columns of a CSV file that a training would refuse, each with what it should be."""
    if not isinstance(source, CsvSource):
        return {}
    text = [str(name) for name in frame if isinstance(frame[name].dtype, pd.StringDtype)]
    return {name: said for name in text for said in suspect(frame[name], source)}


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
    if (path / "_delta_log").is_dir():
        return DeltaSource(kind="delta", path=str(path))
    if path.is_dir():
        return ParquetSource(kind="parquet", path=str(path))
    with path.open("rb") as stream:
        if stream.read(4) == b"PAR1":
            return ParquetSource(kind="parquet", path=str(path))
    return CsvSource(kind="csv", path=str(path), separator=find_separator(path), encoding=find_encoding(path))


def _seen_from(folder: Path, source: Source) -> Source:
    """Return *source* with its path as a project file in *folder* names it."""
    if isinstance(source, CsvSource | ParquetSource | DeltaSource):
        return source.model_copy(update={"path": os.path.relpath(source.path, folder)})
    return source


def find_separator(path: Path) -> str:
    """Return what separates the fields of the CSV file at *path*: what its first line has most of."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", errors="replace") as stream:
            first = stream.readline()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    counts = Counter({each: len(next(csv.reader([first], delimiter=each), [])) for each in SEPARATORS})
    return max(SEPARATORS, key=lambda each: counts[each])


def find_encoding(path: Path) -> str:
    """Return how the CSV file at *path* is written: UTF-8 if its beginning can be read so, else cp1252."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as stream:
        begin = stream.read(BEGIN)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begin)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


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
