"""Immutable, content-addressed datasets: Parquet files named by their SHA-256."""

import hashlib
import io
import json
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlparse
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pandas.api import types
from pydantic import BaseModel, ConfigDict

from regrow.base.errors import DataError, SnapshotError
from regrow.base.places import Place
from regrow.base.settings import load_settings
from regrow.data import store_files
from regrow.data.files import flush_to_disk, partial_file, state_errors
from regrow.data.stores import check_store, make_store

FOLDER = "snapshots"
"""Where snapshots are in the store."""
EXACT = 2**53
"""The largest whole number up to which a float holds each."""


class Snapshot(BaseModel):
    """An immutable version of a dataset: its place, what it holds, and the digest that proves it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    """Where the file is in the store. Up to version 0.3 the address of where it once was; see `path`."""
    digest: str
    """SHA-256 of the Parquet file, in hexadecimal."""
    rows: int
    columns: dict[str, str]
    """Column names in order, each with its Arrow type."""
    start: datetime | None = None
    end: datetime | None = None
    """Time range of the rows, both ends included; None if the dataset has no timestamp."""

    @property
    def source_type(self) -> str:
        """What MLflow calls a place like this one."""
        return "local"

    @property
    def source(self) -> str:
        """Where the rows stand, as MLflow keeps it."""
        return json.dumps({"uri": self.uri})

    @property
    def path(self) -> Place:
        """The file, by its digest in the store of today; if it is not there, where a full address says."""
        path = load_settings().snapshots / f"{self.digest}.parquet"
        if self.uri.startswith("file://") and not store_files.is_there(path):
            elsewhere = Path(unquote(urlparse(self.uri).path))
            return elsewhere if elsewhere.exists() else path
        return path

    def read(self, columns: list[str] | None = None) -> pd.DataFrame:
        """Read the rows (or only *columns* of them).

        Raises `SnapshotError` if the file is gone or is not the file that was written, `StoreAway` if all are away.
        """
        return to_frame(read_table(self, columns))


def read_table(snapshot: Snapshot, columns: list[str] | None = None) -> pa.Table:
    """Read *snapshot* as an Arrow table, after checking its digest."""
    return pq.read_table(open_snapshot(snapshot), columns=columns)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Read *table* as pandas does, but keep whole numbers beside nulls whole that a float cannot hold."""
    frame = table.to_pandas()
    for name, column in zip(table.column_names, table.columns, strict=True):
        if frame[name].dtype == "float64" and pa.types.is_integer(column.type) and _is_beyond_float(column):
            frame[name] = column.to_pandas(integer_object_nulls=True)
    return frame


def _is_beyond_float(column: pa.ChunkedArray) -> bool:
    """Return whether *column* holds a whole number that a float may round."""
    bounds = pc.min_max(column).as_py()  # pyright: ignore[reportAttributeAccessIssue]
    return any(value is not None and abs(value) > EXACT for value in bounds.values())


def open_snapshot(snapshot: Snapshot) -> Path | pa.BufferReader:
    """Return what Arrow reads the Parquet file of *snapshot* from, after checking its digest."""
    path, expected = snapshot.path, snapshot.digest
    if not store_files.is_there(path) and (after := erased_to(expected)):
        path, expected = path.parent / f"{after}.parquet", after
    try:
        found = store_files.open_parquet(path)
        digest = _digest(found)
    except FileNotFoundError as error:
        check_store(load_settings().snapshots)
        raise SnapshotError(
            f"{path}: the snapshot is gone; run the flow again with PREFECT_TASKS_REFRESH_CACHE=true"
        ) from error
    if digest != expected:
        raise SnapshotError(
            f"{path}: content has SHA-256 {digest}, not {expected}; delete the file and run again"
        )
    return found


def erased_to(digest: str) -> str | None:
    """Return the digest of the snapshot that took the place of *digest* when rows were erased; None if none did."""
    found, folder = digest, load_settings().erased
    while True:
        try:
            found = json.loads(store_files.read(folder / f"{found}.json"))["digest"]
        except FileNotFoundError:
            return None if found == digest else found


def write_snapshot(frame: pd.DataFrame, timestamp: str | None = None) -> Snapshot:
    """Write *frame* as a snapshot; the same content is never written twice.

    In a folder the file is written under a temporary name, flushed to disk and renamed, in a bucket it is put at once,
    so a name that exists is a whole file.
    *timestamp* names the column that gives the time range.
    Raises `StateError` if the state folder is full or read-only, `StoreAway` if the snapshots are away, `DataError`
    naming a column that cannot be kept.
    """
    table = to_table(frame)
    folder = load_settings().snapshots
    with state_errors(folder, f"a snapshot of {len(frame)} rows cannot be written"):
        make_store(folder)
        path, digest = write_table(table, folder)
    times = frame[timestamp] if timestamp and len(frame) else None
    return Snapshot(
        uri=f"{FOLDER}/{path.name}",
        digest=digest,
        rows=len(frame),
        columns={field.name: str(field.type) for field in table.schema},
        start=None if times is None else times.min().to_pydatetime(),
        end=None if times is None else times.max().to_pydatetime(),
    )


def to_table(frame: pd.DataFrame) -> pa.Table:
    """Return *frame* as an Arrow table: UUIDs and intervals as text, sparse columns and dictionaries as plain ones.

    Raises `DataError` naming the first column that a Parquet file cannot hold, with the remedy.
    """
    plain = frame.assign(**{str(name): _plain(frame[name]) for name in frame if _is_odd(frame[name])})
    try:
        return pa.Table.from_pandas(plain, preserve_index=False)
    except (pa.ArrowException, TypeError, OverflowError, ValueError) as error:
        for name in plain:
            _try_column(plain[[name]], error)
        raise


def _is_odd(values: pd.Series) -> bool:
    """Return whether *values* are of a type that Arrow keeps otherwise than it should."""
    dtype = values.dtype
    if isinstance(dtype, pd.SparseDtype):
        return True
    if isinstance(dtype, pd.ArrowDtype):
        return pa.types.is_dictionary(dtype.pyarrow_dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        return isinstance(dtype.categories.dtype, pd.IntervalDtype)
    return types.is_object_dtype(dtype) and isinstance(next(iter(values.dropna()), None), UUID)


def _plain(values: pd.Series) -> pd.Series:
    """Return *values*, of an odd type, in a plain one."""
    if isinstance(values.dtype, pd.SparseDtype):
        return values.sparse.to_dense()
    if isinstance(values.dtype, pd.ArrowDtype):
        decoded = pa.array(values.array).dictionary_decode()
        return pd.Series(decoded.to_pandas(), index=values.index, name=values.name)
    return values.astype(object).map(str, na_action="ignore")


def _try_column(column: pd.DataFrame, error: Exception) -> None:
    """Raise `DataError` if *column* is what *error* is about."""
    try:
        pa.Table.from_pandas(column, preserve_index=False)
    except (pa.ArrowException, TypeError, OverflowError, ValueError) as own:
        name, values = column.columns[0], column.iloc[:, 0]
        kinds = sorted({type(value).__name__ for value in values.dropna().head(10_000)})
        held = " and ".join(kinds[:3]) if values.dtype == object else str(values.dtype)
        raise DataError(
            f"column `{name}`: holds {held}, which cannot be kept ({' '.join(str(own).split())[:150]}); give it one "
            "type in the source (numbers, text, true and false, dates), or leave it out there"
        ) from error


def write_table(table: pa.Table, folder: Place) -> tuple[Place, str]:
    """Write *table* into *folder* under the name of its digest; return its path and the digest.

    The age of a file is that of its last use: tidying goes by it.
    """
    if not isinstance(folder, Path):
        return _put_table(table, folder)
    with partial_file(folder) as partial:
        with partial.open("xb") as stream:
            pq.write_table(table, stream, compression="zstd")
        flush_to_disk(partial)
        digest = _digest(partial)
        path = folder / f"{digest}.parquet"
        if not store_files.touch(path):
            partial.rename(path)
            flush_to_disk(folder)
    return path, digest


def _put_table(table: pa.Table, folder: Place) -> tuple[Place, str]:
    """Put *table* into *folder*, which is in a bucket, as `write_table` says."""
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    digest = hashlib.sha256(stream.getbuffer()).hexdigest()
    path = folder / f"{digest}.parquet"
    if not store_files.touch(path):
        store_files.write(path, stream.getvalue())
    return path, digest


def _digest(found: Path | pa.BufferReader) -> str:
    """Hash the file that was *found*, or its bytes."""
    if not isinstance(found, Path):
        digest = hashlib.sha256(found.read_buffer())
        found.seek(0)
        return digest.hexdigest()
    with found.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
