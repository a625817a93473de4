"""Tables and journals."""

import os
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from regrow.base.settings import Settings
from regrow.data.delta import append
from regrow.data.stores import make_store
from regrow.notifications.outbox import Outbox
from regrow.services.doctor.stores import (
    OLD_SECONDS,
    look_at_folders,
    look_at_journals,
    look_at_notifications,
    look_at_store_disk,
    look_at_tables,
)


def test_a_table_that_does_not_open_is_named_and_the_others_are_counted(tmp_path: Path) -> None:
    """Tables that open are one line; one whose commit is no commit is told with its folder."""
    for name in ("a", "b"):
        append(tmp_path / "predictions" / name, pa.table({"x": [1]}), "t", 1)
    (well,) = look_at_tables(tmp_path)
    assert (well.health, well.found) == ("well", "2 open")
    commit = next((tmp_path / "predictions" / "b" / "_delta_log").glob("*.json"))
    commit.write_text("{broken")
    (wrong,) = look_at_tables(tmp_path)
    assert wrong.health == "wrong" and str(tmp_path / "predictions" / "b") in wrong.found


def test_a_folder_that_is_away_is_told(tmp_path: Path) -> None:
    """A share that is not mounted is an empty folder, and no empty store."""
    settings = Settings(home=tmp_path)
    make_store(settings.tables)
    (well,) = look_at_folders(settings)
    assert well.health == "well"
    settings.tables.rename(tmp_path / "elsewhere")
    settings.tables.mkdir()
    (wrong,) = look_at_folders(settings)
    assert (wrong.health, str(settings.tables) in wrong.found) == ("wrong", True)
    assert wrong.remedy.startswith("mount it, or move it back")


def test_a_journal_that_nobody_flushes_is_told(tmp_path: Path) -> None:
    """A young segment is well; one that waits for a quarter of an hour is wrong; locks and notes do not count."""
    writer = tmp_path / "loans" / "1.abc"
    writer.mkdir(parents=True)
    (nothing,) = look_at_journals(tmp_path, time.time())
    assert (nothing.health, nothing.found) == ("well", "nothing waits")
    (writer / "lock").write_text("")
    segment = writer / "000000000001.jsonl"
    segment.write_text("{}\n" * 1000)
    (young,) = look_at_journals(tmp_path, time.time())
    assert young.health == "well" and "1 segments" in young.found
    os.utime(segment, (0, time.time() - OLD_SECONDS - 60))
    (old,) = look_at_journals(tmp_path, time.time())
    assert old.health == "wrong" and "16 min" in old.found


def test_rows_that_could_not_be_logged_are_told(tmp_path: Path) -> None:
    """What was set aside of a journal is told until somebody moves it away, and is no backlog."""
    damaged = tmp_path / "loans" / "damaged"
    damaged.mkdir(parents=True)
    assert len(list(look_at_journals(tmp_path, time.time()))) == 1
    (damaged / "1.jsonl").write_text("{")
    backlog, told = look_at_journals(tmp_path, time.time() + 2 * OLD_SECONDS)
    assert (backlog.health, told.health) == ("well", "wrong") and "loans" in told.found


def test_notifications_that_nobody_takes_are_told(tmp_path: Path) -> None:
    """What waits for a moment is well; what waits for long says that people are not told."""
    outbox = Outbox(tmp_path)
    assert look_at_notifications(tmp_path).found == "nothing waits"
    outbox.prepare()
    waiting = outbox.folder / "queue" / "a~b.json"
    waiting.write_text("{}")
    assert look_at_notifications(tmp_path).health == "well"
    old = time.time() - 2 * OLD_SECONDS
    os.utime(waiting, (old, old))
    found = look_at_notifications(tmp_path)
    assert found.health == "warning" and found.found == "1 wait to be sent, the oldest for 30 min"


def test_a_store_on_a_disk_of_its_own_has_its_room_looked_at(tmp_path: Path) -> None:
    """A share that is full is told; a store on the state folder's own disk is told of with that one."""
    assert list(look_at_store_disk(Settings(home=tmp_path))) == []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        (found,) = look_at_store_disk(Settings(home=tmp_path, store=folder))
    assert found.check == "disk" and found.found.endswith(f"are free at {folder}")
