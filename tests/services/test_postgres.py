"""The database: our own, or one that is given."""

from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from regrow.base.errors import StateError, Unreachable
from regrow.base.settings import Settings
from regrow.services import Services
from regrow.services.postgres import for_libpq, reach_database, start_database, stop_database


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


def test_the_embedded_database_of_another_start_is_reached(services: Services, tmp_path: Path) -> None:
    """Parts that are started alone find the PostgreSQL that runs on their state folder; without one that is told."""
    reached = reach_database(services.settings)
    assert reached.pid is None
    url = reached.url.set(drivername="postgresql", database="mlflow").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(Unreachable, match=r"regrow up postgres.*REGROW_DATABASE_URL"):
        reach_database(Settings(home=tmp_path))


def test_a_space_in_the_path_of_the_socket_is_one_for_postgresql_too() -> None:
    """A state folder whose path has a space, or a plus, in it is reached."""
    url = make_url("postgresql+psycopg://me:a%2Bb@/x").update_query_dict({"host": "/my data+more/postgres"})
    assert for_libpq(url, "mlflow") == "postgresql://me:a+b@/mlflow?host=%2Fmy%20data%2Bmore%2Fpostgres"
