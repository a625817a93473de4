"""Append to a Delta Lake table exactly once.

An append carries a *transaction*, the name of its writer, and a *number* that grows with each of the writer's
appends; both stand in Delta's own commit. Replaying an append therefore changes nothing. Once an append returns its
rows are on the disk: see `delta_files.py`.
"""

import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, SchemaMismatchError, TableNotFoundError

from regrow.base.errors import Busy, RowsRefused, StateError, StoreAway
from regrow.base.formats import check_format
from regrow.base.places import Place, is_below
from regrow.base.settings import load_settings
from regrow.data.delta_files import (
    LOG_FOLDER,
    durable_note,
    flush_checkpoint,
    last_durable,
    make_durable,
    put_right,
)
from regrow.data.files import DICTIONARY_BYTES, make_folders, state_errors
from regrow.data.objects import options_of, says_away
from regrow.data.store_files import find_files, find_folders
from regrow.data.stores import check_store, make_store

TABLE_FORMAT = 1
"""The format of the rows in a new table; a table says its own in its description, one without a number is of 1."""
DESCRIPTION = re.compile(r"Regrow, format (\d+)")
TIME = pa.timestamp("us", tz="UTC")
PROPERTIES = {"delta.logRetentionDuration": "interval 1 days", "delta.checkpointInterval": "50"}
WRITER = WriterProperties(dictionary_page_size_limit=DICTIONARY_BYTES)
NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""Delta Lake's own checkpoints are not flushed before it removes the commits that they stand for."""
CHECKPOINT_EVERY = 50
VACUUM_HOURS = 1
ATTEMPTS = 8
BROKEN = "restore the folder from a backup, or move it away to begin a new table"
COLOUR = re.compile(r"\x1b\[\d*m")
OF_THE_ROWS = re.compile(
    r"schema error|schema mismatch|unsupported cast|cast error|invalid argument error", re.I
)
"""What Delta Lake says if it is the rows that it cannot write, and not the disk."""
FRAME_OF_STACK = re.compile(r"\s*\d+: <unknown>")
_ONE_WRITER = threading.Lock()
_ONE_SCANNER = threading.Lock()
SCANNED = 4
"""Tables whose files are kept as Arrow knows them, which takes 150 kB a file once it was read."""
_scanned: dict[tuple[Path, int | None], tuple[tuple[object, ...], ds.Dataset]] = {}
"""By path and by the version that was asked for: what was found there, and its files; the last used comes last."""


def open_table(path: Place, version: int | None = None) -> DeltaTable | None:
    """Open the table at *path*, as it was at *version* (None: now); return None if there is none.

    What a power cut has damaged of a table of Regrow's own is set aside first. Raises `StateError` if it is damaged
    otherwise, or does not hold that version any more, or if a newer Regrow made it, `StoreAway` if the folder of all
    tables is away.
    """
    if _is_own(path):
        check_store(load_settings().tables)
        put_right(path)
    try:
        if isinstance(path, Path) and not DeltaTable.is_deltatable(str(path)):
            return None
        table = _read_log(path, version)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise _table_error(path, "the table cannot be opened", error, BROKEN) from error
    if said := DESCRIPTION.match(table.metadata().description or ""):
        check_format(f"{path}: the table", int(said[1]), TABLE_FORMAT)
    return table


def scan(path: Place, version: int | None = None) -> ds.Dataset | None:
    """Return the rows of the table at *path* as Arrow reads them, as they were at *version*; None if there is no table.

    The files of one state are described to Arrow once: a year of a busy log has hundreds, and is read in many parts.
    Raises what `open_table` does.
    """
    table = open_table(path, version)
    if table is None:
        return None
    # What Arrow keeps of a bucket are credentials that may have been renewed since.
    if not isinstance(path, Path):
        return table.to_pyarrow_dataset()
    state = (table.version(), *table.file_uris())
    with _ONE_SCANNER:
        known, dataset = _scanned.pop((path, version), ((), None))
        if dataset is None or known != state:
            dataset = table.to_pyarrow_dataset()
        _scanned[path, version] = state, dataset
        for longest_unused in list(_scanned)[:-SCANNED]:
            del _scanned[longest_unused]
    return dataset


def _read_log(path: Place, version: int | None = None) -> DeltaTable:
    """Open the table at *path* as Delta Lake does."""
    return DeltaTable(str(path), version=version, storage_options=options_of(path))


def _table_error(path: Place, what: str, error: BaseException, remedy: str) -> StateError:
    """Return our words for Delta Lake's *error* with the table at *path*: *what* is wrong, and the *remedy*."""
    if says_away(error):
        return StoreAway(
            f"{path}: the object store does not answer, so {what}; see AWS_ENDPOINT_URL, or wait for it"
        )
    return StateError(f"{path}: {what} ({plain_words(error)}); {remedy}")


def _is_own(path: Place) -> bool:
    """Return whether the table at *path* is one of the store, and no destination elsewhere."""
    return is_below(path, load_settings().tables)


def find_tables(folder: Place, kind: str | None = None) -> list[Place]:
    """Return the tables under *folder*, the one of all tables: each stands in the folder of its *kind* (None: any)."""
    kinds = find_folders(folder) if kind is None else [folder / kind]
    found = [table for each in kinds for table in find_folders(each)]
    return [table for table in found if any(True for _ in find_files(table / LOG_FOLDER))]


def table_version(path: Place) -> int | None:
    """Return the newest version of the table at *path*; None if there is none."""
    table = open_table(path)
    return None if table is None else table.version()


def plain_words(error: BaseException) -> str:
    """Return what *error* says in one line, without the colours and the stack that Rust's libraries add."""
    lines = COLOUR.sub("", str(error)).replace("↳", "").splitlines()
    told = [line.strip() for line in lines if line.strip() and not FRAME_OF_STACK.match(line)]
    return "; ".join(told[:3])[:500] or type(error).__name__


def committed(path: Place, transaction: str) -> int:
    """Return the last number that *transaction* committed to the table at *path*; 0 if it has committed none.

    What it committed is on the disk.
    """
    table = open_table(path)
    make_durable(path)
    return 0 if table is None else table.transaction_version(transaction) or 0


def append(
    path: Place,
    table: pa.Table,
    transaction: str,
    number: int,
    partition: str | None = None,
    properties: Mapping[str, str] = PROPERTIES,
) -> bool:
    """Append *table* to the table at *path* unless *transaction* has come to *number* already.

    A new table has the *properties* and is partitioned by the column *partition*; one from before that column is
    written without it.
    Once this returns the rows are on the disk. Raises `RowsRefused` if the table cannot hold such rows, `StoreAway` if
    the folder of all tables is away, `StateError` if the table cannot be written.
    """
    if "features" in table.schema.names and table.schema.field("features").type.num_fields == 0:
        table = table.drop_columns(["features"])
    for attempt in range(ATTEMPTS):
        logged = open_table(path)
        make_durable(path)
        before = last_durable(path)
        commit = CommitProperties(durable_note(path), app_transactions=[Transaction(transaction, number)])
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
            make_durable(path)
            if _is_own(path):  # If the folder went away just now, the rows went into another one of its name.
                check_store(load_settings().tables)
            after = last_durable(path)
            if not isinstance(path, Path):  # Nobody counts there: at least this one commit was added.
                before = -1 if logged is None else logged.version()
                after = before + 1
            if max(before, 0) // CHECKPOINT_EVERY != after // CHECKPOINT_EVERY:
                checkpoint(path)
            return True
    return False


def compact(path: Place) -> None:
    """Merge the small files of the table at *path* into large ones; remove what no reader still reads."""
    table = open_table(path)
    if table is None:
        return
    make_durable(path)
    commit = CommitProperties(durable_note(path))
    try:
        table.optimize.compact(
            writer_properties=WRITER, commit_properties=commit, post_commithook_properties=NO_HOOKS
        )
        make_durable(path)
        _vacuum(table, path, VACUUM_HOURS)
    except (DeltaError, OSError) as error:
        raise _table_error(path, "the table cannot be compacted", error, "it stays as it is") from error


def delete_rows(path: Place, condition: str) -> int:
    """Delete the rows of the table at *path* that meet *condition*, in SQL; return their number.

    Their files stay until `remove_files`. Raises `Busy` if other writers come first too often, `StateError` if the
    table cannot be written.
    """
    for attempt in range(ATTEMPTS):
        make_durable(path)
        commit = CommitProperties(durable_note(path))
        try:
            told = _read_log(path).delete(
                condition,
                writer_properties=WRITER,
                commit_properties=commit,
                post_commithook_properties=NO_HOOKS,
            )
        except CommitFailedError:
            time.sleep(0.05 * 2**attempt)
        except (DeltaError, OSError) as error:
            raise _table_error(path, "rows cannot be erased", error, "mend it, and try again") from error
        else:
            make_durable(path)
            return int(told["num_deleted_rows"] or 0)
    raise Busy(f"{path}: other writers came first {ATTEMPTS} times; try again")


def remove_files(path: Place) -> None:
    """Remove at once the files that the table at *path* no longer needs; what is being written stays."""
    time.sleep(0.01)  # A file of this very moment would be taken for a new one.
    try:
        _vacuum(_read_log(path), path, 0)
    except (DeltaError, OSError) as error:
        what = "the files of erased rows cannot be removed"
        raise _table_error(path, what, error, "mend it, and try again") from error
    checkpoint(path)


def _vacuum(table: DeltaTable, path: Place, hours: int) -> None:
    """Remove the files of *table* at *path* that it has not needed for *hours*."""
    table.vacuum(
        hours,
        dry_run=False,
        enforce_retention_duration=False,
        commit_properties=CommitProperties(durable_note(path)),
        post_commithook_properties=NO_HOOKS,
    )
    make_durable(path)


def checkpoint(path: Place) -> None:
    """Write a checkpoint of the table at *path*; once it is on the disk, remove the old commits that it stands for."""
    what = "no checkpoint can be written"
    with state_errors(path, what):
        try:
            table = _read_log(path)
            table.create_checkpoint()
            flush_checkpoint(path, table.version())
            table.cleanup_metadata()
        except (DeltaError, OSError) as error:
            if isinstance(error, OSError) and not says_away(error):
                raise
            raise _table_error(path, what, error, BROKEN) from error


def _reconcile(table: pa.Table, logged: DeltaTable | None) -> pa.Table:
    """Rename the features of *table* that have another type, or other capitals, in the log than they have here.

    Of two that differ by capitals alone the second is renamed: to Delta Lake they are one.
    """
    position = table.schema.get_field_index("features")
    schema = None if logged is None else pa.schema(logged.schema().to_arrow())
    if position < 0:
        return table
    known = {}
    if schema is not None and "features" in schema.names:
        known = {field.name: field.type for field in schema.field("features").type}
    struct = table.column("features").combine_chunks()
    spelt = {name.lower(): name for name in (*reversed(struct.type.names), *known)}
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
    path: Place,
    table: pa.Table,
    commit: CommitProperties,
    partition: str | None,
    properties: Mapping[str, str],
) -> None:
    """Commit *table* to the table at *path*, creating it if there is none."""
    what = f"{table.num_rows} rows cannot be appended"
    with state_errors(path, what), _ONE_WRITER:
        if _is_own(path):
            make_store(load_settings().tables)
        if isinstance(path, Path):
            make_folders(path)
        try:
            write_deltalake(
                str(path),
                table,
                mode="append",
                schema_mode="merge",
                configuration=dict(properties),
                description=f"Regrow, format {TABLE_FORMAT}",
                commit_properties=commit,
                post_commithook_properties=NO_HOOKS,
                writer_properties=WRITER,
                partition_by=partition if partition in table.schema.names else None,
                storage_options=options_of(path),
            )
        except CommitFailedError:
            raise
        except OSError as error:
            if says_away(error):
                raise _table_error(path, what, error, BROKEN) from error
            raise
        except Exception as error:  # Delta Lake raises a bare Exception for what Arrow's engine refuses.
            said = plain_words(error)
            if isinstance(error, SchemaMismatchError) or OF_THE_ROWS.search(said):
                raise RowsRefused(f"{path}: {what} ({said}); the table cannot hold such rows") from error
            raise _table_error(path, what, error, BROKEN) from error
