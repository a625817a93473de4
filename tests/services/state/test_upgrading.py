"""The state of an earlier version, or of a later one."""

import json
from pathlib import Path

import pytest

from regrow.base.errors import NewerFormat, StateError
from regrow.data.state_version import STATE_FORMAT, write_state_version
from regrow.services.postgres import Database
from regrow.services.state.schemas import known_revisions
from regrow.services.state.upgrading import MIGRATIONS, check_state, prepare_state


def test_each_format_has_its_migration() -> None:
    """From the first format on there is a way to today's."""
    assert set(MIGRATIONS) == set(range(2, STATE_FORMAT + 1))


def test_data_of_another_postgresql_are_refused(tmp_path: Path) -> None:
    """Files of another major version are refused with the way out, before PostgreSQL is started on them."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(StateError, match=r"written by PostgreSQL 12, and PostgreSQL .* `regrow restore`"):
        check_state(tmp_path)


def test_an_older_state_is_dumped_once_and_migrated(used: Database, tmp_path: Path) -> None:
    """The databases are dumped before the first step, and an upgrade that was killed keeps that dump."""
    for name in ("mlflow", "prefect"):
        known, newest = known_revisions(name)
        with used.connect(name) as connection:
            revision = min(known - {newest}) if name == "mlflow" else newest
            connection.execute("INSERT INTO alembic_version VALUES (%s)", [revision])
    (tmp_path / "snapshots").mkdir()
    told: list[str] = []
    prepare_state(tmp_path, used, told.append)
    [folder] = (tmp_path / "dumps").iterdir()
    assert sorted(file.name for file in folder.iterdir()) == ["about.json", "mlflow.dump", "prefect.dump"]
    assert [str(folder) in told[0], f"now names {tmp_path}" in told[1]] == [True, True]
    made = (folder / "mlflow.dump").stat().st_mtime_ns
    (tmp_path / "version.json").unlink()  # as if it had been killed just before its end
    prepare_state(tmp_path, used, told.append)
    assert (folder / "mlflow.dump").stat().st_mtime_ns == made


def test_a_new_state_needs_nothing(postgres: Database, tmp_path: Path) -> None:
    """The first start dumps nothing and says nothing, though its PostgreSQL stands by now."""
    told: list[str] = []
    (tmp_path / "postgres").mkdir()
    prepare_state(tmp_path, postgres, told.append)
    assert told == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["postgres", "state.lock", "version.json"]


def test_a_state_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """A program that is older than the state says which version to start, and touches nothing."""
    write_state_version(tmp_path)
    said = json.loads((tmp_path / "version.json").read_text())
    (tmp_path / "version.json").write_text(
        json.dumps(said | {"format": STATE_FORMAT + 1, "program": "9.9.0"})
    )
    with pytest.raises(NewerFormat, match=r"state of Regrow 9\.9\.0: a newer version of Regrow wrote it"):
        check_state(tmp_path)


def test_a_database_of_a_newer_library_is_refused(used: Database, tmp_path: Path) -> None:
    """Prefect's database of a later Prefect ends the start before any server sees it."""
    with used.connect("prefect") as connection:
        connection.execute("INSERT INTO alembic_version VALUES ('later')")
    with pytest.raises(NewerFormat, match="database of prefect"):
        prepare_state(tmp_path, used, print)
