"""What a copy of the state is made of."""

from pathlib import Path

import pyarrow as pa
import pytest

from regrow.base.errors import NewerFormat, StateError
from regrow.data.delta import append, find_tables, table_version
from regrow.services.state import contents


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a state folder with a table, a snapshot, and what belongs to processes."""
    append(tmp_path / "tables" / "predictions" / "m", pa.table({"a": [1, 2]}), "w", 1)
    for name in (
        "snapshots/s.parquet",
        "password",
        "up.json",
        "postgres/PG_VERSION",
        "snapshots/x~y.partial",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_what_belongs_to_processes_is_left_out(home: Path) -> None:
    """Files are copied, but not the embedded database, records of processes, or half-written files."""
    assert [str(path) for path in contents.files_to_copy(home, home)] == ["password", "snapshots/s.parquet"]
    assert find_tables(home / "tables") == [home / "tables" / "predictions" / "m"]


def test_a_copied_file_is_described(home: Path) -> None:
    """A copy has its size and SHA-256; a file that is gone leaves no copy."""
    copied = contents.copy_file(home / "password", home / "copy" / "password")
    assert copied == contents.describe_file(home / "copy" / "password")
    assert contents.copy_file(home / "gone", home / "copy" / "gone") is None
    assert not (home / "copy" / "gone").exists()


def test_a_table_without_one_of_its_files_is_refused(home: Path) -> None:
    """A table is whole if every file of its version is there, and it is of the version that was asked for."""
    table = home / "tables" / "predictions" / "m"
    assert contents.check_table(table, table_version(table)).rows == 2
    with pytest.raises(StateError, match="at version 0, not 3"):
        contents.check_table(table, 3)
    next(table.glob("*.parquet")).unlink()
    with pytest.raises(StateError, match="missing, or not of"):
        contents.check_table(table)


def test_an_unfinished_or_newer_backup_is_refused(tmp_path: Path) -> None:
    """A folder without a whole manifest is no backup."""
    with pytest.raises(StateError, match="no finished backup"):
        contents.read_manifest(tmp_path)
    (tmp_path / contents.MANIFEST).write_text('{"format": 1, "fil')
    with pytest.raises(StateError, match="no finished backup"):
        contents.read_manifest(tmp_path)
    (tmp_path / contents.MANIFEST).write_text('{"format": 9}')
    with pytest.raises(NewerFormat, match="start that version"):
        contents.read_manifest(tmp_path)


def test_files_of_a_log_say_their_version() -> None:
    """Commits and checkpoints begin with their number; `_last_checkpoint` has none."""
    assert contents.version_of_log_file("00000000000000000012.json") == 12
    assert contents.version_of_log_file("00000000000000000050.checkpoint.parquet") == 50
    assert contents.version_of_log_file("_last_checkpoint") is None
