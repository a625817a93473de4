"""Old files go, and nothing else."""

import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from regrow.base.settings import Settings
from regrow.data.delta import append, open_table
from regrow.data.files import locked_file
from regrow.data.tidying import Room, put_log_aside, remove_old_files, room_of, tables_of, tidy_table


def write(path: Path, days: float, size: int = 10) -> Path:
    """Write *size* bytes that are *days* old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    moment = time.time() - days * 86_400
    os.utime(path, (moment, moment))
    return path


def test_only_what_is_old_and_not_needed_goes(tmp_path: Path) -> None:
    """Young files, needed ones, half-written ones and links stay; a dry run counts the same and removes nothing."""
    old, deep = write(tmp_path / "a", 9), write(tmp_path / "samples/b", 9)
    kept = [write(tmp_path / "young", 1), write(tmp_path / "needed", 9), write(tmp_path / "c.partial", 9)]
    (tmp_path / "link").symlink_to(old)
    assert remove_old_files(tmp_path, 7, {"needed"}, dry_run=True) == Room(2, 20)
    assert old.exists()
    assert remove_old_files(tmp_path, 7, {"needed"}) == Room(2, 20)
    assert remove_old_files(tmp_path, 7, {"needed"}) == Room()
    assert [path.exists() for path in (old, deep, *kept)] == [False, False, True, True, True]
    assert remove_old_files(tmp_path / "nowhere", 7) == Room()


def test_a_log_is_cut_short_while_it_is_written(tmp_path: Path) -> None:
    """Its end is put aside in place of the last such copy, and the writer goes on at the beginning."""
    log = tmp_path / "server.log"
    with log.open("ab", buffering=0) as stream:
        stream.write(b"a" * 90 + b"z" * 10)
        assert put_log_aside(log, 100) == Room()
        assert put_log_aside(log, 50, dry_run=True) == Room(1, 50)
        assert put_log_aside(log, 50) == Room(1, 50)
        stream.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "server.1.log").read_bytes() == b"a" * 40 + b"z" * 10
    assert put_log_aside(tmp_path / "none.log", 1) == Room()


def test_a_table_keeps_its_rows_and_loses_its_small_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many appends become one file and a checkpoint; whoever else compacts it is not disturbed."""
    settings = Settings(home=tmp_path)
    path = settings.tables / "labels" / "m"
    for number in range(1, 6):
        append(path, pa.table({"n": [number]}), "test", number)
    assert [(name, found) for name, found in tables_of(settings)] == [("m", path)]
    assert tidy_table(settings.tables / "labels" / "none", settings) == Room()
    settings.journal.mkdir()
    with locked_file(settings.journal / "labels-m.compacting"):
        assert tidy_table(path, settings) == Room()
    monkeypatch.setattr("regrow.data.delta.VACUUM_HOURS", 0)
    before = room_of(path).bytes
    tidy_table(path, settings)
    table = open_table(path)
    assert table is not None
    assert sorted(table.to_pyarrow_table()["n"].to_pylist()) == [1, 2, 3, 4, 5]
    assert len(table.file_uris()) == 1
    assert table.transaction_version("test") == 5
    assert list(path.rglob("*.checkpoint.parquet"))
    assert room_of(path).bytes != before
    assert tidy_table(path, settings, dry_run=True).count == 0
