"""Dump a database into a file and restore it, by PostgreSQL's own programs: from any server version into any newer."""

import os
import re
import subprocess
from pathlib import Path

from psycopg import sql

from regrow.base.errors import StateError
from regrow.services.embedded import find_programs
from regrow.services.postgres import Database, for_libpq

PASSWORD = re.compile(r"password=\S+")


def dump(database: Database, name: str, file: Path) -> None:
    """Write all of the database *name*, as it is at one moment, to *file*; others may use it meanwhile.

    Raises `StateError` if that fails.
    """
    _run(database, name, "pg_dump", "--format=custom", f"--file={file}")


def restore_dump(database: Database, name: str, file: Path) -> None:
    """Make the database *name* from *file*, whole or not at all; raises `StateError` if one of that name has tables."""
    making = f"{name}_restoring"
    with database.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(making)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(making)))
    _run(database, making, "pg_restore", "--exit-on-error", "--single-transaction", str(file))
    if has_tables(database, name):
        raise StateError(f"the database {name} is in use already; drop it, or name another server")
    with database.connect() as connection:
        old, new = sql.Identifier(name), sql.Identifier(making)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(old))
        connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(new, old))


def has_tables(database: Database, name: str) -> bool:
    """Return whether there is a database *name* that holds tables."""
    with database.connect() as connection:
        there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if there is None:
        return False
    with database.connect(name) as connection:
        tables = "SELECT 1 FROM pg_tables WHERE schemaname = 'public' LIMIT 1"
        return connection.execute(tables).fetchone() is not None


def _run(database: Database, name: str, program: str, *words: str) -> None:
    """Run *program* on the database *name*; the password goes by the environment, which other users cannot see."""
    url = database.url
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    address = for_libpq(url._replace(password=None), name)
    command = [str(find_programs() / program), "--no-owner", "--no-privileges", f"--dbname={address}", *words]
    try:
        done = subprocess.run(
            command, env={**os.environ, **password}, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise StateError(f"{program} cannot be run ({error.strerror}); install Regrow again") from error
    if done.returncode:
        said = PASSWORD.sub("password=…", done.stderr.strip())[-1000:]
        raise StateError(f"database {name}: {program} failed: {said}")
