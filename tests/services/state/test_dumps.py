"""Dumps of databases."""

from pathlib import Path

import pytest

from regrow.base.errors import StateError
from regrow.services.postgres import Database
from regrow.services.state.dumps import dump, has_tables, restore_dump


def test_a_restored_dump_holds_the_same(used: Database, tmp_path: Path) -> None:
    """What was in the database when it was dumped is in it after the restore, and a database in use is kept."""
    file = tmp_path / "mlflow.dump"
    dump(used, "mlflow", file)
    with pytest.raises(StateError, match="mlflow is in use already"):
        restore_dump(used, "mlflow", file)
    with used.connect() as connection:
        connection.execute("DROP DATABASE mlflow")
    assert not has_tables(used, "mlflow")
    restore_dump(used, "mlflow", file)
    with used.connect("mlflow") as connection:
        assert connection.execute("SELECT run_uuid FROM runs").fetchall() == [("a",)]


def test_a_torn_dump_leaves_no_database(used: Database, tmp_path: Path) -> None:
    """A dump that is cut short restores nothing, and the error names the database and shows no password."""
    file = tmp_path / "prefect.dump"
    dump(used, "prefect", file)
    file.write_bytes(file.read_bytes()[:-200])
    with used.connect() as connection:
        connection.execute("DROP DATABASE prefect")
    with pytest.raises(StateError, match="pg_restore failed") as caught:
        restore_dump(used, "prefect", file)
    assert not has_tables(used, "prefect")
    assert str(used.url.password or "no password") not in str(caught.value)
