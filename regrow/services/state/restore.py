"""Make a state folder from a backup, checked, whole or not at all."""

from collections.abc import Callable
from pathlib import Path

import yaml

from regrow.base.errors import StateError
from regrow.base.settings import Settings
from regrow.data.state_version import read_state_version
from regrow.services.postgres import DATABASES, Database, start_database, stop_database
from regrow.services.state import contents
from regrow.services.state.addresses import mend_addresses
from regrow.services.state.backup import making
from regrow.services.state.contents import Manifest
from regrow.services.state.dumps import has_tables, restore_dump


def restore(settings: Settings, backup: Path, report: Callable[[str], None]) -> Manifest:
    """Make the state folder that *settings* name, a new or an empty one, from *backup*; return what it holds.

    Raises `StateError` if *backup* is unfinished or damaged, if the folder or the given databases are in use, and
    `NewerFormat` if a newer version made it. Models and their data that the backup lacks are reported, not refused.
    """
    home, backup = settings.home.absolute(), backup.absolute()
    if settings.store_root != home:
        raise StateError(
            f"REGROW_STORE: a backup is restored into one folder, and the store is {settings.store_root}; restore "
            f"without REGROW_STORE, then copy {', '.join(contents.OF_STORE)} to the store; see docs/store.md"
        )
    manifest = contents.read_manifest(backup)
    read_state_version(backup / contents.STATE)
    with making(home) as folder:
        report(f"copying {len(manifest.files)} files, each against its SHA-256")
        for name, file in manifest.files.items():
            place, _, path = name.partition("/")
            isdump = place == contents.DATABASES
            if file != (
                _describe(backup / name) if isdump else contents.copy_file(backup / name, folder / path)
            ):
                raise StateError(
                    f"{backup / name}: missing, or not the file that was backed up; use another backup"
                )
        for table, said in manifest.tables.items():
            if contents.check_table(folder / table, said.version) != said:
                raise StateError(
                    f"{backup}: {table} holds other rows than were backed up; use another backup"
                )
        _restore_databases(settings.model_copy(update={"home": folder}), home, backup, manifest, report)
    return manifest


def _describe(file: Path) -> contents.CopiedFile | None:
    """Return what is in *file*; None if it is not there."""
    return contents.describe_file(file) if file.is_file() else None


def _restore_databases(
    settings: Settings, home: Path, backup: Path, manifest: Manifest, report: Callable[[str], None]
) -> None:
    """Make the databases from the dumps in *backup*, for the new folder that *settings* name, which will be *home*."""
    database = start_database(settings)
    try:
        for name in DATABASES:
            if has_tables(database, name):
                raise StateError(f"the database {name} is in use already; drop it, or name another server")
        for name in DATABASES:
            report(f"restoring the database {name}")
            restore_dump(database, name, backup / contents.DATABASES / f"{name}.dump")
        mend_addresses(database, home, manifest.home, None, manifest.store)
        for problem in find_missing(database, home, settings.home):
            report(f"missing: {problem}")
    finally:
        stop_database(database)


def find_missing(database: Database, home: Path, folder: Path) -> list[str]:
    """Return which files of registered versions are not in *folder*, which the database names as *home*."""
    with database.connect("mlflow") as connection:
        rows = connection.execute("SELECT name, version, storage_location FROM model_versions").fetchall()
    problems, start = [], f"{home.as_uri()}/"
    for name, number, location in rows:
        if not str(location).startswith(start):
            continue
        file = folder / str(location).removeprefix(start) / "MLmodel"
        if not file.is_file():
            problems.append(f"the model of {name} version {number}")
            continue
        facts = (yaml.safe_load(file.read_text()).get("metadata") or {}).get("regrow", {})
        for part in ("training", "holdout"):
            digest = facts.get(part, {}).get("digest")
            if digest and not (folder / "snapshots" / f"{digest}.parquet").is_file():
                problems.append(f"the {part} rows of {name} version {number}")
        judged = facts.get("judged")
        if judged and not (file.parents[2] / judged / "artifacts" / "MLmodel").is_file():
            problems.append(f"the model that was judged for {name} version {number}")
    return problems
