"""A table after a power cut: what is damaged of its newest commits is set aside, and what is proven safe never is."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from regrow.base.errors import Busy, StateError
from regrow.data import delta, delta_files
from regrow.data.delta import append, committed, compact, open_table
from regrow.data.delta_files import make_durable, put_right, read_commit


@pytest.fixture
def table(home: Path) -> Path:
    """Make a table of Regrow's own with three appends of which the disk holds all."""
    path = home / "tables" / "predictions" / "demo"
    for number in range(1, 4):
        append(path, pa.table({"a": [number]}), "w", number)
    return path


def commit(path: Path, version: int) -> Path:
    """Return the commit of *version*."""
    return path / "_delta_log" / f"{version:020d}.json"


def data_file(path: Path, version: int) -> Path:
    """Return the data file that *version* added."""
    found = read_commit(commit(path, version))
    assert found is not None
    return path / next(iter(found.added))


def cut_power(path: Path) -> None:
    """Let this process know as little of the table at *path* as one that starts after a power cut."""
    delta_files._durable.pop(path, None)
    delta_files._looked_at.discard(path)


def values(path: Path) -> list[int]:
    """Read the table at *path*."""
    table = open_table(path)
    return [] if table is None else sorted(table.to_pyarrow_table()["a"].to_pylist())


def tear(file: Path, how: str) -> None:
    """Leave of *file* what a power cut may leave."""
    content = file.read_bytes()
    kept = {"empty": b"", "torn": content[: len(content) // 2], "zeros": bytes(len(content))}
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(kept[how])


@pytest.mark.parametrize("how", ["empty", "torn", "zeros"])
@pytest.mark.parametrize("what", [commit, data_file])
def test_a_damaged_newest_version_is_set_aside_and_written_again(
    table: Path, what: Callable[[Path, int], Path], how: str
) -> None:
    """The rows before it are read, its writer learns that it is not there, and writes it once more, once."""
    tear(what(table, 2), how)
    cut_power(table)
    assert committed(table, "w") == 2
    assert values(table) == [1, 2]
    assert [file.name.partition("-")[2] for file in (table / "_damaged").glob("*.json")] == [f"{2:020d}.json"]
    for expected in (True, False):
        assert append(table, pa.table({"a": [3]}), "w", 3) is expected
    assert values(table) == [1, 2, 3]


def test_a_data_file_that_is_gone_is_damage_too(table: Path) -> None:
    """A commit may reach the disk before the name of the file that it adds."""
    tear(data_file(table, 2), "gone")
    cut_power(table)
    assert values(table) == [1, 2]


def test_what_comes_after_a_damaged_version_goes_with_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later commit may have reached the disk first; it cannot stand without the one before."""
    path = home / "tables" / "t"
    monkeypatch.setattr(delta, "durable_note", lambda _: {"regrow.durable": "0"})
    for number in range(1, 5):
        append(path, pa.table({"a": [number]}), f"w{number}", 1)
    tear(commit(path, 2), "empty")
    cut_power(path)
    assert values(path) == [1, 2]
    assert [committed(path, f"w{number}") for number in range(1, 5)] == [1, 1, 0, 0]


@pytest.mark.parametrize("how", ["empty", "torn"])
def test_a_new_table_of_nothing_but_damage_begins_anew(home: Path, how: str) -> None:
    """A table whose first commit was lost is none; it is made again by the next append."""
    path = home / "tables" / "t"
    append(path, pa.table({"a": [1]}), "w", 1)
    tear(commit(path, 0), how)
    cut_power(path)
    assert open_table(path) is None
    assert append(path, pa.table({"a": [1]}), "w", 1)
    assert values(path) == [1]


def test_what_was_proven_to_be_on_the_disk_is_never_set_aside(table: Path) -> None:
    """Damage below what a later commit calls durable is no power cut: nothing is moved, and opening says so."""
    tear(commit(table, 0), "torn")
    cut_power(table)
    with pytest.raises(StateError, match="cannot be opened"):
        open_table(table)
    assert not (table / "_damaged").exists()


def test_a_torn_checkpoint_is_set_aside(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commits that it stood for are still there, and the next append goes on."""
    monkeypatch.setattr(delta, "CHECKPOINT_EVERY", 3)
    append(table, pa.table({"a": [4]}), "w", 4)
    checkpoint = next((table / "_delta_log").glob("*.checkpoint.parquet"))
    tear(checkpoint, "empty")
    cut_power(table)
    assert values(table) == [1, 2, 3, 4]
    assert not checkpoint.exists()
    assert append(table, pa.table({"a": [5]}), "w", 5)


def test_a_compacted_and_vacuumed_table_is_whole(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a compaction replaced and a vacuum removed are no damage."""
    monkeypatch.setattr(delta, "VACUUM_HOURS", 0)
    old = data_file(table, 1)
    compact(table)
    assert not old.exists()
    cut_power(table)
    assert values(table) == [1, 2, 3]
    assert not (table / "_damaged").exists()


def test_every_file_of_an_append_is_flushed_before_it_returns(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data file, commit, and the folders that name them; also of commits that another process has not flushed."""
    path = home / "tables" / "t"
    append(path, pa.table({"a": [0]}), "other", 1)
    cut_power(path)
    flushed: list[Path] = []
    monkeypatch.setattr(delta_files, "flush_to_disk", flushed.append)
    append(path, pa.table({"a": [1], "tier": [0]}), "w", 1, "tier")
    assert {commit(path, 0), commit(path, 1), data_file(path, 0), data_file(path, 1)} <= set(flushed)
    assert {path, path / "_delta_log", data_file(path, 1).parent} <= set(flushed)
    flushed.clear()
    make_durable(path)
    assert flushed == []


def test_a_table_that_was_moved_away_is_flushed_from_its_beginning(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this process knew of the old table says nothing of a new one at the same place."""
    table.rename(table.with_name("away"))
    flushed: list[Path] = []
    monkeypatch.setattr(delta_files, "flush_to_disk", flushed.append)
    append(table, pa.table({"a": [1]}), "w", 1)
    assert commit(table, 0) in flushed


def test_a_table_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Files elsewhere may be written in ways that Regrow does not know; nothing of them is ever moved."""
    path = tmp_path / "elsewhere"
    append(path, pa.table({"a": [1]}), "w", 1)
    append(path, pa.table({"a": [2]}), "w", 2)
    tear(data_file(path, 1), "gone")
    cut_power(path)
    assert open_table(path) is not None
    assert commit(path, 1).exists()


def test_two_processes_do_not_put_one_table_right_at_once(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that comes second waits for the first, and says so if that takes too long."""
    tear(commit(table, 2), "empty")
    cut_power(table)
    (table / "_damaged").mkdir()
    hold = (
        "import fcntl, sys; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX); "
        "print(flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(table / "_damaged" / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    other.stdout.readline()
    monkeypatch.setattr(delta_files, "PATIENCE", 0.2)
    with pytest.raises(Busy, match="another process"):
        put_right(table)
    other.communicate()
    assert values(table) == [1, 2]
