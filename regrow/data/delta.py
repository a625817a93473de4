"""Append to a Delta Lake table exactly once.

An append carries a *transaction*, the name of its writer, and a *number* that grows with each of the writer's
appends; both stand in Delta's own commit. Replaying an append therefore changes nothing.
"""

import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from regrow.data.files import DICTIONARY_BYTES, state_errors
from regrow.errors import Busy, StateError
from regrow.formats import check_format

TABLE_FORMAT = 1
"""The format of the rows in a new table; a table says its own in its description, one without a number is of 1."""
DESCRIPTION = re.compile(r"Regrow, format (\d+)")
TIME = pa.timestamp("us", tz="UTC")
PROPERTIES = {"delta.logRetentionDuration": "interval 1 days", "delta.checkpointInterval": "50"}
WRITER = WriterProperties(dictionary_page_size_limit=DICTIONARY_BYTES)
VACUUM_HOURS = 1
ATTEMPTS = 8
BROKEN = "restore the folder from a backup, or move it away to begin a new table"
COLOUR = re.compile(r"\x1b\[\d*m")
FRAME_OF_STACK = re.compile(r"\s*\d+: <unknown>")
_ONE_WRITER = threading.Lock()


def open_table(path: Path, version: int | None = None) -> DeltaTable | None:
    """Open the table at *path*, as it was at *version* (None: now); return None if there is none.

    Raises `StateError` if it is damaged, or does not hold that version any more, or if a newer Regrow made it.
    """
    if not DeltaTable.is_deltatable(str(path)):
        return None
    try:
        table = DeltaTable(str(path), version=version)
    except (DeltaError, OSError) as error:
        raise StateError(f"{path}: the table cannot be opened ({plain_words(error)}); {BROKEN}") from error
    if said := DESCRIPTION.match(table.metadata().description or ""):
        check_format(f"{path}: the table", int(said[1]), TABLE_FORMAT)
    return table


def plain_words(error: BaseException) -> str:
    """Return what *error* says in one line, without the colours and the stack that Rust's libraries add."""
    lines = COLOUR.sub("", str(error)).replace("↳", "").splitlines()
    told = [line.strip() for line in lines if line.strip() and not FRAME_OF_STACK.match(line)]
    return "; ".join(told[:3])[:500] or type(error).__name__


def committed(path: Path, transaction: str) -> int:
    """Return the last number that *transaction* committed to the table at *path*; 0 if it has committed none."""
    table = open_table(path)
    return 0 if table is None else table.transaction_version(transaction) or 0


def append(
    path: Path,
    table: pa.Table,
    transaction: str,
    number: int,
    partition: str | None = None,
    properties: Mapping[str, str] = PROPERTIES,
) -> bool:
    """Append *table* to the table at *path* unless *transaction* has come to *number* already.

    A new table has the *properties* and is partitioned by the column *partition*; one from before that column is
    written without it.
    Raises `StateError` if the table cannot be written.
    """
    if "features" in table.schema.names and table.schema.field("features").type.num_fields == 0:
        table = table.drop_columns(["features"])
    commit = CommitProperties(app_transactions=[Transaction(transaction, number)])
    for attempt in range(ATTEMPTS):
        logged = open_table(path)
        if logged is not None and (logged.transaction_version(transaction) or 0) >= number:
            return False
        try:
            _write(
                path, _arrange(_reconcile(table, logged), logged, partition), commit, partition, properties
            )
        except CommitFailedError as error:
            if attempt == ATTEMPTS - 1:
                raise Busy(f"{path}: other writers came first {ATTEMPTS} times; try again") from error
            time.sleep(0.05 * 2**attempt)
        else:
            return True
    return False


def compact(path: Path) -> None:
    """Merge the small files of the table at *path* into large ones; remove what no reader still reads."""
    table = open_table(path)
    if table is None:
        return
    try:
        table.optimize.compact(writer_properties=WRITER)
        table.vacuum(VACUUM_HOURS, dry_run=False, enforce_retention_duration=False)
    except (DeltaError, OSError) as error:
        said = plain_words(error)
        raise StateError(f"{path}: the table cannot be compacted ({said}); it stays as it is") from error


def _reconcile(table: pa.Table, logged: DeltaTable | None) -> pa.Table:
    """Rename the features of *table* that have another type, or other capitals, in the log than they have here."""
    position = table.schema.get_field_index("features")
    schema = None if logged is None else pa.schema(logged.schema().to_arrow())
    if position < 0 or schema is None or "features" not in schema.names:
        return table
    known = {field.name: field.type for field in schema.field("features").type}
    spelt = {name.lower(): name for name in known}
    struct = table.column("features").combine_chunks()
    names = [
        field.name
        if spelt.get(field.name.lower(), field.name) == field.name
        and known.get(field.name, field.type) == field.type
        else f"{field.name}__{field.type}"
        for field in struct.type
    ]
    return table.set_column(
        position, "features", pa.StructArray.from_arrays(struct.flatten(), names, mask=struct.is_null())
    )


def _arrange(table: pa.Table, logged: DeltaTable | None, partition: str | None) -> pa.Table:
    """Leave the column *partition* out of *table* if the log is not partitioned by it."""
    if partition is None or logged is None or partition in logged.metadata().partition_columns:
        return table
    return table.drop_columns([partition])


def _write(
    path: Path,
    table: pa.Table,
    commit: CommitProperties,
    partition: str | None,
    properties: Mapping[str, str],
) -> None:
    """Commit *table* to the table at *path*, creating it if there is none."""
    what = f"{table.num_rows} rows cannot be appended"
    with state_errors(path, what), _ONE_WRITER:
        path.mkdir(parents=True, exist_ok=True)
        try:
            write_deltalake(
                str(path),
                table,
                mode="append",
                schema_mode="merge",
                configuration=dict(properties),
                description=f"Regrow, format {TABLE_FORMAT}",
                commit_properties=commit,
                writer_properties=WRITER,
                partition_by=partition if partition in table.schema.names else None,
            )
        except CommitFailedError:
            raise
        except DeltaError as error:
            raise StateError(f"{path}: {what} ({plain_words(error)}); {BROKEN}") from error
