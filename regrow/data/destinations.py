"""Where batch predictions go beside the prediction log: a Parquet folder, a Delta table, a SQL table.

Each takes a chunk of rows whole or not at all, and no row twice: a row is known by its prediction_id, which follows
from model, version, row key and event time. A reader sees whole chunks while others are written.
"""

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from regrow.base.errors import Busy, DataError, Unreachable
from regrow.data.delta import ATTEMPTS, append, committed, open_table, plain_words
from regrow.data.files import (
    DICTIONARY_BYTES,
    flush_to_disk,
    locked_file,
    open_to_readers,
    partial_file,
    remove_partials,
    state_errors,
)
from regrow.data.known_rows import KnownIds, pack
from regrow.data.queries import connect_to
from regrow.data.selection import readable
from regrow.project import DeltaDestination, ParquetDestination, Project, SqlDestination
from regrow.project.scoring import DECISION, HELD_BACK

logger = logging.getLogger("regrow.data")

SQL_ROWS = 10_000
"""Rows of one INSERT that are sent at once."""
MARK = pa.field(HELD_BACK, pa.bool_())
PARTIALS = "_partial"
"""Folder for files that are being written; readers pass over names that begin so."""


class Destination(ABC):
    """A place for the predictions of *version* of *model*."""

    def __init__(self, model: str, version: int, where: str, schema: pa.Schema) -> None:
        self.model, self.version, self.where, self.schema = model, version, where, schema
        self.known = KnownIds()

    @abstractmethod
    def columns(self) -> dict[str, str] | None:
        """Return the columns that are there, each with its type in Arrow's words; None if there is nothing yet."""

    @abstractmethod
    def ids(self) -> Iterator[NDArray[Any]]:
        """Read the ids of the version's predictions that are there."""

    @abstractmethod
    def append(self, rows: pa.Table) -> bool:
        """Append *rows*, all or none; False if another writer came in between, so that they must be compared again."""

    def open(self) -> None:
        """Look at what is there; raises `DataError` if it has other columns than the predictions.

        What was made before decisions were written goes on without them; what says which rows are held back has null
        there while none is.
        """
        found, wanted = self.columns(), _in_words(self.schema)
        if found is not None and HELD_BACK not in wanted and found.get(HELD_BACK) == str(MARK.type):
            self.schema = self.schema.append(MARK)
            wanted[HELD_BACK] = found[HELD_BACK]
        if found is not None and wanted.keys() - found.keys() == {DECISION}:
            logger.warning(
                "%s: it was made before decisions were written, and gets none; name another destination to have them",
                self.where,
            )
            self.schema = self.schema.remove(self.schema.get_field_index(DECISION))
            del wanted[DECISION]
        if found is not None and found != wanted:
            odd = next(name for name in [*wanted, *found] if found.get(name) != wanted.get(name))
            raise DataError(
                f"{self.where}: it exists with other columns: `{odd}` is {found.get(odd, 'missing')} there, and "
                f"{wanted.get(odd, 'no column')} here; name another destination, or move this one away"
            )
        self.known = KnownIds(self.ids() if found is not None else ())

    def add(self, rows: pa.Table) -> int:
        """Append those of *rows* that are not there yet; return their number."""
        if HELD_BACK in self.schema.names and HELD_BACK not in rows.column_names:
            rows = rows.append_column(MARK, pa.nulls(rows.num_rows, MARK.type))
        rows = rows.select(self.schema.names)
        for _ in range(ATTEMPTS):
            new = rows.filter(pa.array(~self.known.has(rows.column("prediction_id").combine_chunks())))
            with open_to_readers():
                if not new.num_rows or self.append(new):
                    return new.num_rows
            self.known = KnownIds(self.ids())
        raise Busy(f"{self.where}: other writers came first {ATTEMPTS} times; try again")

    def _ids_of(self, dataset: ds.Dataset) -> Iterator[NDArray[Any]]:
        """Read the ids of the version's predictions in *dataset*."""
        own = (pc.field("version") == self.version) & (pc.field("model") == self.model)
        for batch in dataset.to_batches(columns=["prediction_id"], filter=own):
            yield pack(batch.column(0))


class ParquetFolder(Destination):
    """A folder with a Parquet file for each chunk, named by the ids in it."""

    def __init__(self, folder: Path, *rest: Any) -> None:
        super().__init__(*rest)
        self.folder = folder

    def columns(self) -> dict[str, str] | None:
        """Read the columns of the files."""
        if not self.folder.is_dir():
            if self.folder.exists():
                raise DataError(f"{self.where}: {self.folder} is a file; name a folder")
            return None
        with readable(self.where):
            fields = self._dataset().schema
        return _in_words(fields) or None

    def ids(self) -> Iterator[NDArray[Any]]:
        """Read the ids in the files."""
        with readable(self.where):
            yield from self._ids_of(self._dataset())

    def append(self, rows: pa.Table) -> bool:
        """Write *rows* as one file, under a name that only they have."""
        name = hashlib.sha256("".join(rows.column("prediction_id").to_pylist()).encode()).hexdigest()[:32]
        with state_errors(self.folder, f"{rows.num_rows} rows cannot be written"):
            (self.folder / PARTIALS).mkdir(parents=True, exist_ok=True)
            with (
                locked_file(self.folder / PARTIALS / "lock") as free,
                partial_file(self.folder / PARTIALS) as file,
            ):
                if not free:
                    raise Busy(
                        f"{self.where}: another run writes into {self.folder}; try again when it has ended"
                    )
                pq.write_table(rows, file, compression="zstd", dictionary_pagesize_limit=DICTIONARY_BYTES)
                flush_to_disk(file)
                file.replace(self.folder / f"{name}.parquet")
                flush_to_disk(self.folder)
        return True

    def _dataset(self) -> ds.Dataset:
        """Open the files; what a killed run left half-written is removed."""
        remove_partials(self.folder)
        return ds.dataset(self.folder, format="parquet")


class DeltaFolder(Destination):
    """A Delta Lake table."""

    def __init__(self, folder: Path, *rest: Any) -> None:
        super().__init__(*rest)
        self.folder, self.transaction = folder, f"score {self.model}"
        self.number = 0

    def columns(self) -> dict[str, str] | None:
        """Read the columns of the table."""
        table = open_table(self.folder)
        if table is None:
            return None
        return _in_words(table.to_pyarrow_dataset().schema)

    def ids(self) -> Iterator[NDArray[Any]]:
        """Read the ids in the table."""
        self.number = committed(self.folder, self.transaction)
        table = open_table(self.folder)
        if table is not None:
            yield from self._ids_of(table.to_pyarrow_dataset())

    def append(self, rows: pa.Table) -> bool:
        """Commit *rows* to the table."""
        self.number += 1
        return append(self.folder, rows, self.transaction, self.number, properties={})


class SqlTable(Destination):
    """A table of a database, whose primary key is the prediction_id."""

    def __init__(self, destination: SqlDestination, *rest: Any) -> None:
        super().__init__(*rest)
        self.variable = destination.url_env
        self.space, _, self.name = destination.table.rpartition(".")
        import sqlalchemy as sa

        columns = [
            sa.Column(field.name, _sql_type(field.type))
            for field in self.schema
            if field.name != "prediction_id"
        ]
        key = sa.Column("prediction_id", sa.String(32), primary_key=True)
        self.table = sa.Table(self.name, sa.MetaData(), key, *columns, schema=self.space or None)

    def columns(self) -> dict[str, str] | None:
        """Read the columns of the table; its types are compared as Python's."""
        import sqlalchemy as sa

        with self._connected() as connection:
            inspector = sa.inspect(connection)
            if not inspector.has_table(self.name, schema=self.space or None):
                self.table.create(connection)
                connection.commit()
                return None
            there = {
                each["name"]: each["type"] for each in inspector.get_columns(self.name, self.space or None)
            }
        if HELD_BACK in there and HELD_BACK not in self.table.c:  # A version that holds back has filled it.
            self.table.append_column(sa.Column(HELD_BACK, _sql_type(MARK.type)))
        wanted = {field.name: field for field in (MARK, *self.schema)}
        return {
            name: str(wanted[name].type)
            if name in wanted and _python_type(kind) is _python_type(_sql_type(wanted[name].type))
            else str(kind)
            for name, kind in there.items()
        }

    def ids(self) -> Iterator[NDArray[Any]]:
        """Read the ids in the table."""
        import sqlalchemy as sa

        own = (self.table.c.version == self.version) & (self.table.c.model == self.model)
        with self._connected() as connection:
            streamed = connection.execution_options(stream_results=True)
            for part in streamed.execute(sa.select(self.table.c.prediction_id).where(own)).partitions(
                100_000
            ):
                yield pack(pa.array([row[0] for row in part], pa.string()))

    def append(self, rows: pa.Table) -> bool:
        """Insert *rows* in one transaction; False if one of them is there already."""
        import sqlalchemy as sa
        from sqlalchemy.exc import IntegrityError

        with self._connected() as connection:
            try:
                for begin in range(0, rows.num_rows, SQL_ROWS):
                    connection.execute(sa.insert(self.table), rows.slice(begin, SQL_ROWS).to_pylist())
                connection.commit()
            except IntegrityError:
                connection.rollback()
                return False
        return True

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """Connect to the database; its errors begin with the key of the destination and never show the URL."""
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        with connect_to(self.variable, f"{self.where}.url_env") as connection:
            try:
                yield connection
            except SQLAlchemyError as error:
                lost = isinstance(error, DBAPIError) and error.connection_invalidated
                detail = plain_words(getattr(error, "orig", None) or error)
                raise (Unreachable if lost else DataError)(
                    f"{self.where}.table: {self.name}: {detail}"
                ) from error


def open_destination(project: Project, version: int, schema: pa.Schema) -> Destination | None:
    """Open where the file of *project* sends predictions of *version*, rows of *schema*; None if it names no place.

    Raises `DataError` if something is there that has other columns; nothing is written then.
    """
    destination, where = project.scoring.destination, f"{project.path}: scoring.destination"
    rest = (project.name, version, where, schema)
    match destination:
        case ParquetDestination():
            found: Destination = ParquetFolder(project.path.parent / destination.path, *rest)
        case DeltaDestination():
            found = DeltaFolder(project.path.parent / destination.path, *rest)
        case SqlDestination():
            found = SqlTable(destination, *rest)
        case None:
            return None
    found.open()
    return found


def _in_words(schema: pa.Schema) -> dict[str, str]:
    """Return the columns of *schema*, each with its type; how text is held in memory is no matter."""
    return {field.name: str(field.type).removeprefix("large_") for field in schema}


def _sql_type(kind: pa.DataType) -> Any:
    """Return the type of a column of a database that holds values of the Arrow type *kind*."""
    import sqlalchemy as sa

    if pa.types.is_timestamp(kind):
        return sa.DateTime(timezone=True)
    if pa.types.is_floating(kind):
        return sa.Double()
    if pa.types.is_integer(kind):
        return sa.BigInteger()
    return sa.Boolean() if pa.types.is_boolean(kind) else sa.Text()


def _python_type(kind: Any) -> type | None:
    """Return the Python type of the values in a column of *kind*; None if SQLAlchemy knows none."""
    try:
        return kind.python_type
    except NotImplementedError:
        return None
