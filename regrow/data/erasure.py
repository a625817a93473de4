"""Erase the rows of one person (an entity) from tables, journals and snapshots.

A snapshot is named by its content, so it gets another name: a note under `erased/` leads from the old name to the new
one, and whoever reads the old snapshot gets the rows that are left.
"""

import json
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable

from regrow.base.errors import StateError
from regrow.base.places import Place
from regrow.base.settings import load_settings
from regrow.data import store_files
from regrow.data.damaged_rows import Person, is_aside, journal_files
from regrow.data.delta import delete_rows, open_table, remove_files
from regrow.data.labels import labels_path
from regrow.data.predictions import predictions_path
from regrow.data.snapshots import Snapshot, erased_to, write_table
from regrow.data.stores import check_store

NAMED = 500
"""Ids that one condition names at most."""
JOURNAL_WAIT = 30.0
"""Seconds that the model server has to fold what it journals: it takes one."""


@dataclass(frozen=True)
class Rewritten:
    """A snapshot from which rows were erased."""

    before: str
    after: str
    """Digest of the snapshot that took its place; empty after a dry run."""
    rows: int
    """Rows that were erased."""


def erase_labels(model: str, entity: str, dry_run: bool = False) -> int:
    """Erase the labels of *entity*'s rows of *model*, also those that name a prediction or a row; return their number.

    What they name stands in the log of predictions, so this comes before `erase_predictions`.
    """
    path, logged = labels_path(model), _names_of(model, entity)
    conditions = [_equals("entity_id", entity), _equals("row_key", entity), _begins("row_key", f"{entity}@")]
    for column in ("prediction_id", "row_key"):
        conditions += list(_among(column, logged[column]))
    return _erase(path, conditions, dry_run)


def erase_predictions(model: str, entity: str, dry_run: bool = False) -> int:
    """Erase the predictions of *entity* from the log of *model*, shadows among them; return their number."""
    return _erase(predictions_path(model), [_equals("entity_id", entity)], dry_run)


def find_person(model: str, entity: str) -> Person:
    """Return what *entity*'s rows are known by, as long as the log of *model* says which predictions are theirs."""
    return Person(entity, frozenset[str]().union(*_names_of(model, entity).values()))


def journaled(model: str, person: Person) -> list[Path]:
    """Return the journal files of *model* that still hold a row of *person* on its way into a table."""
    return [path for path in journal_files(model) if not is_aside(path) and _names(path, person)]


def await_journal(model: str, person: Person, patience: float = JOURNAL_WAIT) -> None:
    """Wait until no row of *person* is on its way into a table of *model*.

    Raises `StateError` if one still is after *patience* seconds; then nothing was erased.
    """
    until = time.monotonic() + patience
    while waiting := journaled(model, person):
        if time.monotonic() > until:
            raise StateError(
                f"{waiting[0]}: holds rows that are not in the tables yet; nothing was erased: start the model server "
                "(`regrow up`), which writes them there, and forget again"
            )
        time.sleep(0.5)


def rewrite_snapshot(
    digest: str, columns: Collection[str], entity: str, dry_run: bool = False
) -> Rewritten | None:
    """Erase the rows of the snapshot *digest* that have *entity* in one of *columns*; None if there is none.

    The new file is there before the note that leads to it, and the old one goes last.
    """
    folder = load_settings().snapshots
    check_store(folder)
    digest = erased_to(digest) or digest
    path = folder / f"{digest}.parquet"
    try:
        table = pq.read_table(store_files.open_parquet(path))
    except FileNotFoundError:
        return None
    there = [name for name in columns if name in table.column_names]
    hit = pa.array([False] * table.num_rows)
    for name in there:
        same = pc.equal(table.column(name).cast(pa.string()), entity)  # pyright: ignore[reportAttributeAccessIssue]
        hit = pc.or_(hit, pc.fill_null(same, False))  # pyright: ignore[reportAttributeAccessIssue]
    rows = pc.sum(hit).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]
    if not rows:
        return None
    if dry_run:
        return Rewritten(digest, "", rows)
    left = table.filter(pc.invert(hit))  # pyright: ignore[reportAttributeAccessIssue]
    _, after = write_table(left, folder)
    note = {"digest": after, "rows": left.num_rows, "erased": rows, "at": datetime.now(UTC).isoformat()}
    store_files.write(load_settings().erased / f"{digest}.json", json.dumps(note).encode())
    store_files.remove(path)
    return Rewritten(digest, after, rows)


def drop_samples(dry_run: bool = False) -> int:
    """Remove all samples of snapshots, which may hold rows of anybody: they are drawn again; return their number."""
    notes = [found.place for found in store_files.find_files(load_settings().snapshots / "samples")]
    notes = [note for note in notes if note.name.endswith(".json")]
    for note in () if dry_run else notes:
        store_files.remove(Snapshot.model_validate_json(store_files.read(note)).path)
        store_files.remove(note)
    return len(notes)


def _names_of(model: str, entity: str) -> dict[str, list[str]]:
    """Return the ids and the row keys of *entity*'s predictions in the log of *model*."""
    table = open_table(predictions_path(model))
    wanted = ["prediction_id", "row_key"]
    if table is None:
        return {name: [] for name in wanted}
    dataset = table.to_pyarrow_dataset()
    known = [name for name in wanted if name in dataset.schema.names]
    rows = dataset.to_table(known, filter=ds.field("entity_id") == entity)
    return {
        name: sorted({value for value in rows.column(name).to_pylist() if value}) if name in known else []
        for name in wanted
    }


def _erase(path: Place, conditions: list[tuple[str, str]], dry_run: bool) -> int:
    """Delete the rows of the table at *path* that meet one of *conditions*, each a column and what it must be."""
    table = open_table(path)
    if table is None:
        return 0
    columns = {field.name for field in table.schema().fields}
    held = [condition for column, condition in conditions if column in columns]
    count = 0
    for condition in held:
        if dry_run:
            count += _matching(table, condition)
        else:
            count += delete_rows(path, condition)
    if count and not dry_run:
        remove_files(path)
    return count


def _matching(table: DeltaTable, condition: str) -> int:
    """Count the rows of *table* that meet *condition*."""
    from deltalake import QueryBuilder

    found = QueryBuilder().register("t", table).execute(f"SELECT count(*) AS n FROM t WHERE {condition}")  # noqa: S608
    return int(pa.table(found.read_all()).column("n")[0].as_py())


def _equals(column: str, value: str) -> tuple[str, str]:
    return column, f"{column} = {_quoted(value)}"


def _begins(column: str, value: str) -> tuple[str, str]:
    return column, f"left({column}, {len(value)}) = {_quoted(value)}"


def _among(column: str, values: list[str]) -> Iterator[tuple[str, str]]:
    for start in range(0, len(values), NAMED):
        named = ", ".join(map(_quoted, values[start : start + NAMED]))
        yield column, f"{column} IN ({named})"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _names(path: Path, person: Person) -> bool:
    """Return whether a line of the journal file at *path* names *person*."""
    try:
        return any(map(person.has, path.read_bytes().split(b"\n")))
    except FileNotFoundError:
        return False
