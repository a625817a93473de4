"""A copy of the whole state at one consistent point, while everything runs.

What refers to what decides on the order. Rows of predictions and labels name versions of models and runs, so they are
fixed first: no row of the copy names a version that its databases lack, whose number a later version would get. The
databases name files (models, snapshots, stored results), each written before the row that names it, so files are copied
last: what the databases name is among them, and a file too many harms nothing. So:

1. the journals, file by file: rows that were acknowledged, and are on their way to the tables;
2. the version of each table, and its log. A segment that was flushed meanwhile is in both, and is known by its number;
3. the databases, each at one moment: Prefect's first. Of a step that ends in between MLflow has the result and Prefect
   does not know the end: the run is repeated and finds what it made. The other way round Prefect would take for done
   what MLflow lacks;
4. the files of those versions of the tables, then all others. Nobody removes files meanwhile (`data/upkeep.py`); if
   one is gone all the same, the copy of the table does not open, and there is no backup.

All of it is made in a hidden folder beside the target, checked, flushed to disk and then renamed.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from regrow.base.errors import StateError
from regrow.base.places import Place
from regrow.base.provenance import installed_version
from regrow.base.settings import Settings
from regrow.data.delta import BROKEN, find_tables, table_version
from regrow.data.delta_files import HINT, LOG_FOLDER
from regrow.data.files import (
    LOCK,
    flush_to_disk,
    locked_file,
    make_locked_folder,
    state_errors,
    take_over,
    write_whole,
)
from regrow.data.upkeep import upkeep
from regrow.services import ownership
from regrow.services.postgres import Database, reach_database, start_database, stop_database
from regrow.services.state import contents
from regrow.services.state.contents import CopiedFile, CopiedTable, Manifest, copy_file
from regrow.services.state.dumps import dump
from regrow.services.state.upgrading import check_state

IN_ORDER = ("prefect", "mlflow")
"""The databases, in the order in which they are dumped."""


def back_up(settings: Settings, target: Path, report: Callable[[str], None]) -> Manifest:
    """Copy the state to *target*, a new or an empty folder, whole or not at all; return what it holds.

    Raises `StateError` if *target* is in use, if there is no state, or if the copy would not restore, `Busy` if files
    are removed meanwhile for too long.
    """
    home, target = settings.home.absolute(), target.absolute()
    if check_state(home) is None:
        raise StateError(f"{home}: there is no state to back up; name its folder by REGROW_HOME")
    with (
        upkeep(settings, "regrow backup", report=report),
        making(target) as folder,
        database_of(settings) as database,
    ):
        copy = _Copy(home, settings.store_root, folder)
        copy.take_journal()
        copy.take_table_logs()
        for name in IN_ORDER:
            report(f"dumping the database {name}")
            copy.take_database(database, name)
        report("copying files")
        copy.take_files()
        return copy.finish()


class _Copy:
    """A copy of *home*, and of the *store* in it or elsewhere, that is made in *folder*: one state folder again."""

    def __init__(self, home: Path, store: Place, folder: Path) -> None:
        self.home, self.store, self.folder, self.state = home, store, folder, folder / contents.STATE
        self.files: dict[str, CopiedFile] = {}
        self.versions: dict[Path, int] = {}
        self.state.mkdir()

    def take_journal(self) -> None:
        """Copy the journals; a segment that is gone by now is in its table."""
        for path in contents.files_below(self.home, "journal"):
            self._take(path)

    def take_table_logs(self) -> None:
        """Fix the version of each table: copy its log up to there."""
        for path in find_tables(self.store / "tables"):
            table, version = Path(str(path).removeprefix(f"{self.store}/")), table_version(path)
            log = table / LOG_FOLDER
            if version is None:
                raise StateError(f"{path}: the table has no version that can be read; {BROKEN}")
            self.versions[table] = version
            for file in contents.files_below(self.store, str(log)):
                if (contents.version_of_log_file(file.name) or 0) <= version:
                    self._take(file)
            if (contents.last_checkpoint(self.state / log) or 0) > version:
                self._drop(log / HINT)

    def take_database(self, database: Database, name: str) -> None:
        """Dump the *database*'s database *name*."""
        file = self.folder / contents.DATABASES / f"{name}.dump"
        file.parent.mkdir(exist_ok=True)
        dump(database, name, file)
        self.files[f"{contents.DATABASES}/{file.name}"] = contents.describe_file(file)

    def take_files(self) -> None:
        """Copy the files of the tables, then all others."""
        for table in self.versions:
            for path in contents.files_below(self.store, str(table)):
                if LOG_FOLDER not in path.parts:
                    self._take(path)
        for path in contents.files_to_copy(self.home, self.store):
            self._take(path)

    def finish(self) -> Manifest:
        """Check the copy and write down what it holds."""
        tables: dict[str, CopiedTable] = {
            table.as_posix(): contents.check_table(self.state / table, version)
            for table, version in self.versions.items()
        }
        manifest = Manifest(
            made=datetime.now(UTC),
            program=installed_version("regrow") or "?",
            home=str(self.home),
            store="" if self.store == self.home else str(self.store),
            tables=tables,
            files=self.files,
        )
        for path in self.folder.rglob("*"):
            flush_to_disk(path)
        text = json.dumps(manifest.model_dump(mode="json"), indent=1)
        write_whole(self.folder / contents.MANIFEST, text.encode())
        return manifest

    def _take(self, path: Path) -> None:
        """Copy the file at *path*, relative to the state folder or to the store, unless it is gone."""
        root = self.store if path.parts[0] in contents.OF_STORE else self.home
        copied = copy_file(root / path.as_posix(), self.state / path)
        if copied is not None:
            self.files[f"{contents.STATE}/{path.as_posix()}"] = copied

    def _drop(self, path: Path) -> None:
        """Take the file at *path*, relative to the state folder, out of the copy."""
        (self.state / path).unlink()
        del self.files[f"{contents.STATE}/{path.as_posix()}"]


@contextmanager
def making(target: Path) -> Iterator[Path]:
    """Yield a hidden folder beside *target* that takes its place at the end of the block, and is removed on an error.

    Raises `StateError` if *target* is there and not empty, or is being made by another process.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StateError(f"{target}: is there already and not empty; name a new folder")
    hidden = target.with_name(f".{target.name}.unfinished")
    handle = _make_hidden(hidden)
    try:
        with state_errors(hidden):
            yield hidden
            (hidden / LOCK).unlink()
            if target.is_dir():
                target.rmdir()
            hidden.rename(target)
            flush_to_disk(target.parent)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        os.close(handle)


def _make_hidden(hidden: Path) -> int:
    """Make the folder *hidden*, locked, in place of one that a killed process left; return the lock's handle."""
    if hidden.exists():
        left = take_over(hidden)
        if left is None and (hidden / LOCK).exists():
            raise StateError(
                f"{hidden}: another process makes it now; wait for its end, or name another folder"
            )
        shutil.rmtree(hidden, ignore_errors=True)
        if left is not None:
            os.close(left)
    handle = make_locked_folder(hidden.parent, hidden.name)
    hidden.chmod(0o700)
    return handle


@contextmanager
def database_of(settings: Settings) -> Iterator[Database]:
    """Yield the databases of the state: of the `regrow up` that runs, or started for the time of the block."""
    home = settings.home.absolute()
    (home / ownership.FOLDER).mkdir(exist_ok=True)
    with locked_file(home / ownership.FOLDER / "postgres.lock") as alone:
        if not alone:
            yield reach_database(settings)
            return
        database = start_database(settings)
        try:
            yield database
        finally:
            stop_database(database)
