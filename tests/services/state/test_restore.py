"""A state folder made from a backup."""

from pathlib import Path

import pyarrow as pa
import pytest

from regrow.base.errors import StateError
from regrow.base.settings import Settings
from regrow.data.delta import append
from regrow.data.state_version import write_state_version
from regrow.services.postgres import Database
from regrow.services.state import backup, restore
from regrow.services.state.backup import back_up

MODEL = Path("artifacts/1/models/m-1/artifacts/MLmodel")


@pytest.fixture
def copy(tmp_path: Path, used: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Back up a state folder that stands where the databases say; they are dropped then, as on a new machine."""
    home = tmp_path / "home"
    append(home / "tables" / "predictions" / "m", pa.table({"a": [1, 2]}), "w", 1)
    (home / MODEL).parent.mkdir(parents=True)
    (home / MODEL).write_text(
        "metadata: {regrow: {training: {digest: abc}, holdout: {digest: def}, judged: m-0}}"
    )
    (home / "snapshots").mkdir()
    (home / "snapshots" / "abc.parquet").write_text("rows")
    write_state_version(home)
    for module in (backup, restore):
        monkeypatch.setattr(module, "start_database", lambda _: used)
        monkeypatch.setattr(module, "stop_database", lambda _: None)
    with used.connect("mlflow") as connection:
        connection.execute("ALTER TABLE model_versions ADD COLUMN name text DEFAULT 'm'")
    back_up(Settings(home=home), tmp_path / "copy", print)
    with used.connect() as connection:
        connection.execute("DROP DATABASE mlflow")
        connection.execute("DROP DATABASE prefect")
    return tmp_path / "copy"


def test_what_was_backed_up_is_there_again(copy: Path, used: Database, tmp_path: Path) -> None:
    """Files, tables and databases come back under another path, and what the backup lacks is told."""
    told: list[str] = []
    new = tmp_path / "new"
    restore.restore(Settings(home=new), copy, told.append)
    assert told[-2:] == [
        "missing: the holdout rows of m version 1",
        "missing: the model that was judged for m version 1",
    ]
    assert (new / MODEL).read_text() == (tmp_path / "home" / MODEL).read_text()
    with used.connect("mlflow") as connection:
        row = connection.execute("SELECT storage_location FROM model_versions").fetchone()
    assert row == (f"file://{new}/artifacts/1/models/m-1/artifacts",)


def test_a_damaged_file_restores_nothing(copy: Path, tmp_path: Path) -> None:
    """A file with another content ends the restore before anything is at its place."""
    (copy / "state" / "snapshots" / "abc.parquet").write_text("other")
    with pytest.raises(StateError, match=r"abc\.parquet: missing, or not the file that was backed up"):
        restore.restore(Settings(home=tmp_path / "new"), copy, print)
    assert not (tmp_path / "new").exists()


def test_a_state_in_use_is_not_overwritten(copy: Path, used: Database, tmp_path: Path) -> None:
    """Neither a folder with a state nor databases with tables are replaced."""
    with pytest.raises(StateError, match="not empty"):
        restore.restore(Settings(home=tmp_path / "home"), copy, print)
    restore.restore(Settings(home=tmp_path / "new"), copy, print)
    with pytest.raises(StateError, match="in use already"):
        restore.restore(Settings(home=tmp_path / "newer"), copy, print)
    assert not (tmp_path / "newer").exists()


def test_a_half_backup_does_not_restore(copy: Path, tmp_path: Path) -> None:
    """Without the manifest, which is written last, nothing is restored."""
    (copy / "backup.json").unlink()
    with pytest.raises(StateError, match="no finished backup"):
        restore.restore(Settings(home=tmp_path / "new"), copy, print)


def test_a_store_elsewhere_is_not_restored_into(tmp_path: Path) -> None:
    """The error says how to get there in two steps, and nothing is made."""
    with pytest.raises(StateError, match="restore without REGROW_STORE, then copy"):
        restore.restore(
            Settings(home=tmp_path / "home", store=str(tmp_path / "store")), tmp_path / "backup", print
        )
    assert list(tmp_path.iterdir()) == []
