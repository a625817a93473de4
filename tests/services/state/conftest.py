"""A PostgreSQL of its own, without any server on it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from regrow.base.settings import Settings
from regrow.services.postgres import DATABASES, Database, start_database, stop_database


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[Database]:
    """Run an embedded PostgreSQL for the tests of a file."""
    with tempfile.TemporaryDirectory(prefix="regrow-", ignore_cleanup_errors=True) as folder:
        started = start_database(Settings(home=Path(folder)))
        yield started
        stop_database(started)


@pytest.fixture
def postgres(postgres_server: Database) -> Database:
    """Return an embedded PostgreSQL whose databases are empty."""
    with postgres_server.connect() as connection:
        for name in DATABASES:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(f"CREATE DATABASE {name}")
    return postgres_server


@pytest.fixture
def used(postgres: Database) -> Database:
    """Return an embedded PostgreSQL with what MLflow and Prefect kept of a state folder `/old/state`."""
    with postgres.connect("mlflow") as connection:
        connection.execute(
            """CREATE TABLE alembic_version (version_num text);
            CREATE TABLE experiments (experiment_id int, artifact_location varchar(256));
            INSERT INTO experiments VALUES (0, 'file:///old/state/artifacts/0'), (1, 'file:///old/state/artifacts/1'),
              (2, 'file:///old/state-of-others/artifacts/2');
            CREATE TABLE runs (run_uuid text, artifact_uri varchar(200));
            INSERT INTO runs VALUES ('a', 'file:///old/state/artifacts/1/a/artifacts');
            CREATE TABLE model_versions (version int, source varchar(500), storage_location varchar(500));
            INSERT INTO model_versions VALUES (1, 'models:/m-1', 'file:///old/state/artifacts/1/models/m-1/artifacts');
            CREATE TABLE datasets (name text, dataset_source text)"""
        )
    with postgres.connect("prefect") as connection:
        connection.execute(
            """CREATE TABLE alembic_version (version_num text);
            CREATE TABLE task_run_state (id int, data json);
            INSERT INTO task_run_state VALUES (1, '{"storage_key": "/old/state/results/abc"}'), (2, NULL)"""
        )
    return postgres
