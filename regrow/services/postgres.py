"""The database under Prefect and MLflow: PostgreSQL from a wheel, or any that is given by URL."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from regrow.base.errors import StateError, Unreachable
from regrow.base.provenance import start_of
from regrow.base.settings import Settings
from regrow.services import embedded
from regrow.services.ownership import secret

DATABASES = ("prefect", "mlflow")
PASSWORD = "postgres.password"  # noqa: S105
"""The file in the state folder that holds the password of the embedded PostgreSQL."""


@dataclass(frozen=True)
class Database:
    """A PostgreSQL server that answers; *pid* is set if Regrow started it."""

    url: URL
    pid: int | None = None

    def address(self, driver: str, database: str) -> str:
        """Return the URL of *database* for SQLAlchemy's *driver*; it may hold a password."""
        url = self.url.set(drivername=f"postgresql+{driver}", database=database)
        return url.render_as_string(hide_password=False)

    def connect(self, database: str | None = None) -> psycopg.Connection:
        """Connect to *database*, or to the one that its URL names; each statement counts at once."""
        return psycopg.connect(
            for_libpq(self.url, database or self.url.database or "postgres"),
            autocommit=True,
            connect_timeout=10,
        )


def for_libpq(url: URL, database: str) -> str:
    """Return *url*, of *database*, as PostgreSQL's own programs read it; it may hold a password.

    SQLAlchemy writes a space in the path of the socket as a plus, which they take for a plus.
    """
    written = url.set(drivername="postgresql", database=database).render_as_string(hide_password=False)
    address, _, options = written.partition("?")
    return f"{address}?{options.replace('+', '%20')}" if options else address


def start_database(settings: Settings) -> Database:
    """Start the embedded PostgreSQL, or reach the given one, with the databases of Prefect and MLflow in it.

    Raises `Unreachable` if the given one does not answer, `StateError` if ours cannot start.
    """
    database = _given(settings) if settings.database_url else _embedded(settings.home.absolute())
    _create_databases(database)
    return database


def reach_database(settings: Settings) -> Database:
    """Return the given PostgreSQL, or the embedded one that another `regrow up` runs on this state folder.

    Raises `Unreachable` if it does not answer.
    """
    database = _given(settings) if settings.database_url else _running(settings.home.absolute())
    _create_databases(database)
    return database


def _running(home: Path) -> Database:
    """Return the embedded PostgreSQL that runs on *home*, by what it has written down of itself."""
    try:
        lines = (home / "postgres" / "postmaster.pid").read_text().splitlines()
        socket = lines[4].strip()
    except (OSError, IndexError) as error:
        raise Unreachable(
            f"{home}: no PostgreSQL runs there; start it with `regrow up postgres`, or set REGROW_DATABASE_URL"
        ) from error
    return Database(_address(socket, secret(home / PASSWORD)))


def _given(settings: Settings) -> Database:
    """Read the URL that the settings give."""
    assert settings.database_url is not None  # noqa: S101
    try:
        url = make_url(settings.database_url.get_secret_value())
    except ArgumentError as error:
        raise StateError(
            "REGROW_DATABASE_URL is no URL; write postgresql://user@host:5432/postgres"
        ) from error
    if url.get_backend_name() != "postgresql":
        raise StateError(f"REGROW_DATABASE_URL names {url.get_backend_name()}; Regrow needs PostgreSQL")
    return Database(url)


def _embedded(home: Path) -> Database:
    """Start PostgreSQL on the state folder *home*; who connects needs the password that stands there."""
    password = secret(home / PASSWORD)
    running = embedded.start(home / "postgres", password)
    return Database(_address(str(running.socket), password), running.pid)


def _address(socket: str, password: str) -> URL:
    """Return the address of the embedded PostgreSQL whose socket stands in the folder *socket*."""
    return URL.create("postgresql", "postgres", password, database="postgres", query={"host": socket})


def _create_databases(database: Database) -> None:
    """Create the databases of Prefect and MLflow that are missing."""
    try:
        with database.connect() as connection:
            present = {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}
            for missing in sorted(set(DATABASES) - present):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(missing)))
    except psycopg.Error as error:
        where = database.url.render_as_string(hide_password=True)
        raise Unreachable(f"{where}: PostgreSQL refuses ({error}); check REGROW_DATABASE_URL") from error


def begin_checkpoint(database: Database) -> Thread:
    """Write the embedded PostgreSQL's pages to disk meanwhile, so that its own stop finds little left to do."""
    writer = Thread(target=_checkpoint, args=(database,), name="checkpoint", daemon=True)
    writer.start()
    return writer


def _checkpoint(database: Database) -> None:
    """Ask the embedded PostgreSQL for a checkpoint; a server that is gone needs none."""
    if database.pid is None:
        return
    with suppress(psycopg.Error), database.connect() as connection:
        connection.execute("CHECKPOINT")


def stop_database(database: Database) -> None:
    """Stop the embedded PostgreSQL; leave a given one alone."""
    if database.pid is None:
        return
    if (started := start_of(database.pid)) is None:
        return
    os.kill(database.pid, embedded.FAST_SHUTDOWN)
    deadline = time.monotonic() + 30
    while start_of(database.pid) == started:
        if time.monotonic() > deadline:
            os.kill(database.pid, signal.SIGQUIT)
            break
        time.sleep(0.05)
    embedded.forget_socket(Path(str(database.url.query["host"])))
