"""Bring the state of an earlier version, or of another place, to what this program works with, before anything starts.

The order: refuse what is newer; dump the databases if any of them, or our own format, is older; then migrate. MLflow's
database is migrated by its server's process, which has MLflow imported, Prefect's by Prefect's server, ours here. The
version is written down last, so an upgrade that was killed is done again; the dump from before it is kept.
"""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from regrow.base.errors import StateError
from regrow.base.provenance import installed_version
from regrow.base.settings import Settings
from regrow.data.files import locked_file, state_errors, write_whole
from regrow.data.state_version import STATE_FORMAT, StateVersion, read_state_version, write_state_version
from regrow.data.stores import note_old_stores
from regrow.services.embedded import find_programs
from regrow.services.postgres import Database
from regrow.services.state.addresses import forget_places, mend_addresses
from regrow.services.state.dumps import dump
from regrow.services.state.schemas import Schema, read_schemas

MIGRATIONS: dict[int, Callable[[Database], None]] = {2: forget_places}
"""What leads to each format from the one before; each may run twice."""
DUMPS, LOCK = "dumps", "state.lock"
WHOLE = "about.json"
"""Written last, so a folder of dumps without it was not finished."""


def check_state(home: Path) -> StateVersion | None:
    """Return the version of the state in *home*; None if there is none yet.

    Raises `NewerFormat` if a newer program has used it, `StateError` if its PostgreSQL is of another major version.
    """
    version = read_state_version(home)
    file = home / "postgres" / "PG_VERSION"
    if file.is_file():
        made, ours = file.read_text().strip(), _major_version()
        if made != ours:
            raise StateError(
                f"{home / 'postgres'}: written by PostgreSQL {made}, and PostgreSQL {ours} is installed, which cannot "
                "read it; `regrow backup` with the version that was used last, then `regrow restore` with this one"
            )
    return version


def prepare_state(home: Path, database: Database, report: Callable[[str], None]) -> None:
    """Dump, migrate and mend the state in *home*, whose databases are in *database*, and write down its version.

    If another process does that now, nothing is left to do here. Raises `NewerFormat` if a database is newer than the
    installed library, `StateError` if a dump or a step fails.
    """
    before = read_state_version(home)
    try:
        with locked_file(home / LOCK) as alone:
            if alone:
                _prepare(home, database, before, report)
                note_old_stores(Settings(home=home))
                write_state_version(home, str(Settings(home=home).store_root))
    except psycopg.Error as error:
        raise StateError(f"the databases cannot be prepared ({error}); nothing else was started") from error


def _prepare(
    home: Path, database: Database, before: StateVersion | None, report: Callable[[str], None]
) -> None:
    """Do what `prepare_state` says, with the errors of the database as they are."""
    schemas = read_schemas(database)
    if all(schema.age == "empty" for schema in schemas):
        return  # new, though its PostgreSQL has been made by now
    found = before.format if before else STATE_FORMAT
    if found < STATE_FORMAT or any(schema.age == "older" for schema in schemas):
        folder = dump_before(home, database, found, schemas)
        report(f"upgrading the state; the databases from before are in {folder}")
    for number in range(found + 1, STATE_FORMAT + 1):
        MIGRATIONS[number](database)
    store = Settings(home=home).store_root
    last_home, last_store = (before.home, before.store) if before else ("", "")
    stood = mend_addresses(database, home, last_home, store, last_store)
    if stood is not None:
        now = home if store == home else f"{home} and {store}"
        report(f"the state was in {stood}; what MLflow and Prefect keep of its files now names {now}")


def dump_before(home: Path, database: Database, found: int, schemas: list[Schema]) -> Path:
    """Dump the databases, as they are before an upgrade of the format *found*, once; return the folder of the dumps."""
    revisions = [f"{schema.name}-{schema.revision}" for schema in schemas if schema.revision]
    folder = home / DUMPS / "-".join([f"format-{found}", *revisions])
    if (folder / WHOLE).is_file():
        return folder
    with state_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for schema in schemas:
        dump(database, schema.name, folder / f"{schema.name}.dump")
    said = {"at": datetime.now(UTC).isoformat(), "upgraded by": installed_version("regrow"), "format": found}
    write_whole(folder / WHOLE, json.dumps(said, indent=1).encode())
    return folder


def _major_version() -> str:
    """Return the major version of the PostgreSQL that is installed with Regrow."""
    said = subprocess.run(
        [find_programs() / "postgres", "--version"], capture_output=True, text=True, check=False
    ).stdout
    return said.split()[-1].split(".")[0] if said else "?"
