"""The database: our own, or one that is given."""

from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from regrow.errors import StateError, Unreachable
from regrow.services import Services
from regrow.services.postgres import start_database, stop_database
from regrow.settings import Settings


def test_a_database_that_is_down_is_named_without_its_password(tmp_path: Path) -> None:
    """A given database that does not answer is `Unreachable`, and its password is not in the message."""
    url = SecretStr("postgresql://me:hunter2@127.0.0.1:1/postgres")
    with pytest.raises(Unreachable, match="REGROW_DATABASE_URL") as caught:
        start_database(Settings(home=tmp_path, database_url=url))
    assert "hunter2" not in str(caught.value)


def test_another_database_kind_is_refused(tmp_path: Path) -> None:
    """SQLite as the shared database is refused with the form of the right URL."""
    with pytest.raises(StateError, match="needs PostgreSQL"):
        start_database(Settings(home=tmp_path, database_url=SecretStr("sqlite:///x.db")))


def test_a_given_database_is_used_and_left_running(services: Services, tmp_path: Path) -> None:
    """A database given by URL holds Prefect's and MLflow's data, and a stop leaves it alone."""
    address = services.database.url.render_as_string(hide_password=False)
    given = start_database(Settings(home=tmp_path, database_url=SecretStr(address)))
    stop_database(given)
    assert given.pid is None
    with psycopg.connect(address) as connection:
        names = {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}
    assert {"prefect", "mlflow"} <= names
