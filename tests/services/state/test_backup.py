"""A copy of the state while it is used."""

from pathlib import Path

import pyarrow as pa
import pytest

from regrow.base.errors import StateError
from regrow.base.settings import Settings
from regrow.data.delta import append, open_table
from regrow.data.files import make_locked_folder
from regrow.data.store_files import write
from regrow.services.postgres import Database
from regrow.services.state import backup, contents
from regrow.services.state.backup import back_up, making

TABLE = Path("tables/predictions/m")


@pytest.fixture
def home(tmp_path: Path, used: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a state folder with a table of three versions, a journal and a model, whose `regrow up` runs."""
    home = tmp_path / "home"
    for number in (1, 2, 3):
        append(home / TABLE, pa.table({"a": [number]}), "w", number)
    for name in ("journal/m/w/000000000001.jsonl", "journal/m/w/lock", "artifacts/1/m/MLmodel"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)
    monkeypatch.setattr(backup, "start_database", lambda _: used)
    monkeypatch.setattr(backup, "stop_database", lambda _: None)
    return home


def test_rows_that_come_meanwhile_are_not_in_the_copy(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables are as they were before the databases were dumped, files as they are after."""

    def append_and_dump(_: Database, name: str, file: Path) -> None:
        append(home / TABLE, pa.table({"a": [4]}), name, 1)
        (home / "artifacts" / name).write_text("a model of this moment")
        file.write_text("dump")

    monkeypatch.setattr(backup, "dump", append_and_dump)
    manifest = back_up(Settings(home=home), tmp_path / "copy", print)
    assert manifest.tables[str(TABLE)] == contents.CopiedTable(version=2, rows=3)
    copied = open_table(tmp_path / "copy" / contents.STATE / TABLE)
    assert copied is not None
    assert copied.version() == 2
    assert {"state/artifacts/mlflow", "state/artifacts/prefect", "state/journal/m/w/lock"} <= set(
        manifest.files
    )
    assert not list(tmp_path.glob(".copy*"))
    assert not (tmp_path / "copy" / "lock").exists()


def test_a_failing_copy_leaves_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table whose file went meanwhile, as a person's rows do, makes no backup, and no half one either."""

    def erase(_database: Database, _name: str, file: Path) -> None:
        file.write_text("dump")
        for parquet in (home / TABLE).glob("*.parquet"):
            parquet.unlink()

    monkeypatch.setattr(backup, "dump", erase)
    with pytest.raises(StateError, match="take another backup"):
        back_up(Settings(home=home), tmp_path / "copy", print)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_target_in_use_is_refused(tmp_path: Path) -> None:
    """A folder with something in it is left alone, and so is one that another process makes; what it left is not."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    with pytest.raises(StateError, match="not empty"), making(tmp_path / "full"):
        pytest.fail("it was taken")
    make_locked_folder(tmp_path, ".new.unfinished")
    with pytest.raises(StateError, match="another process"), making(tmp_path / "new"):
        pytest.fail("it was taken")


def test_what_a_killed_process_left_is_made_anew(tmp_path: Path) -> None:
    """The hidden folder of a process that died holds nothing for the next one, and an empty target is taken."""
    (tmp_path / ".new.unfinished").mkdir()
    (tmp_path / ".new.unfinished" / "half").write_text("half")
    (tmp_path / "new").mkdir()
    with making(tmp_path / "new") as folder:
        (folder / "whole").write_text("whole")
        assert not any((tmp_path / "new").iterdir())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["whole"]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_an_empty_home_is_nothing_to_back_up(tmp_path: Path) -> None:
    """A wrong REGROW_HOME is an error, not an empty backup."""
    with pytest.raises(StateError, match="no state to back up"):
        back_up(Settings(home=tmp_path / "none"), tmp_path / "copy", print)


@pytest.mark.parametrize("kind", ["folder", pytest.param("bucket", marks=pytest.mark.long)])
def test_a_store_elsewhere_is_copied_into_one_folder(
    kind: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The copy holds the store, of a folder or of a bucket, as if it had been in the state folder."""
    store = str(tmp_path / "store") if kind == "folder" else request.getfixturevalue("bucket")
    monkeypatch.setenv("REGROW_HOME", str(home))
    monkeypatch.setenv("REGROW_STORE", store)
    monkeypatch.setattr(backup, "dump", lambda _database, _name, file: file.write_text("dump"))
    for number in (1, 2):
        append(Settings().tables / "labels" / "m", pa.table({"a": [number]}), "w", number)
    write(Settings().snapshots / "x.parquet", b"rows")
    manifest = back_up(Settings(), tmp_path / "copy", print)
    assert manifest.store == store
    assert manifest.tables == {"tables/labels/m": contents.CopiedTable(version=1, rows=2)}
    copied = open_table(tmp_path / "copy" / contents.STATE / "tables" / "labels" / "m")
    assert copied is not None
    assert copied.count() == 2
    assert "state/snapshots/x.parquet" in manifest.files
    assert "state/journal/m/w/000000000001.jsonl" in manifest.files
    assert not any("MLmodel" in name for name in manifest.files)
