"""The schemas of MLflow's and Prefect's databases."""

import pytest

from regrow.base.errors import NewerFormat
from regrow.services.postgres import DATABASES, Database
from regrow.services.state.schemas import known_revisions, read_schemas


def set_revision(database: Database, name: str, revision: str) -> None:
    """Let the database *name* say that it is of *revision*."""
    with database.connect(name) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num text)")
        connection.execute("DELETE FROM alembic_version")
        connection.execute("INSERT INTO alembic_version VALUES (%s)", [revision])


@pytest.mark.parametrize("name", DATABASES)
def test_the_newest_revision_is_the_librarys_own(name: str) -> None:
    """What is read of the files' text is what Alembic itself finds."""
    from importlib.util import find_spec
    from pathlib import Path

    from alembic.config import Config
    from alembic.script import ScriptDirectory

    place = {"mlflow": "store/db_migrations", "prefect": "server/database/_migrations"}[name]
    folder = Path(str(getattr(find_spec(name), "origin", ""))).parent / place
    config = Config()
    config.set_main_option("script_location", str(folder))
    if name == "prefect":
        config.set_main_option("version_locations", str(folder / "versions" / "postgresql"))
    revisions, newest = known_revisions(name)
    assert [newest] == ScriptDirectory.from_config(config).get_heads()
    assert len(revisions) > 30


def test_the_age_of_a_schema_is_told(postgres: Database) -> None:
    """An empty database, an older one and one of today are told apart."""
    assert [schema.age for schema in read_schemas(postgres)] == ["empty", "empty"]
    set_revision(postgres, "mlflow", known_revisions("mlflow")[1])
    known, newest = known_revisions("prefect")
    set_revision(postgres, "prefect", min(known - {newest}))
    assert {schema.name: schema.age for schema in read_schemas(postgres)} == {
        "mlflow": "current",
        "prefect": "older",
    }


def test_a_newer_database_is_refused(postgres: Database) -> None:
    """A library that does not know its database's revision is not let near it."""
    set_revision(postgres, "mlflow", "fffffffffff0")
    with pytest.raises(
        NewerFormat, match=r"database of mlflow is of a newer version \(revision fffffffffff0\)"
    ):
        read_schemas(postgres)
