"""From the journal into the tables: each row once, under its own columns, whoever wrote it."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from regrow.base.settings import load_settings
from regrow.data.delta import open_table
from regrow.data.labels import label_history
from regrow.data.predictions import find_prediction, predictions_path
from regrow.data.upkeep import upkeep
from regrow.serving.log.flush import Flusher, compact_alone, flush, writers
from regrow.serving.log.journal import Journal
from regrow.serving.log.segments import segments
from regrow.serving.log.set_aside import list_set_aside

SERVED_AT = 1_764_000_000_000_000
OLD_PREDICTIONS = b"""{"columns":{"carrier":"string","hour":"long"}}
{"i":"a","e":"7","t":1364792400000000,"f":["AA",17],"p":[0.25,0.75],"s":1764000000000000,"v":3,"d":0.0012}
{"i":"b","e":null,"t":null,"f":[null,4],"p":[0.5,0.5],"s":1764000000000000,"v":4,"d":0.0012,"r":"challenger","o":"v4-a","g":1}
{"i":"c","w":"b","e":null,"t":null,"f":null,"p":null,"b":"raised","s":1764000000000000,"v":3,"d":0.1,"r":"shadow","o":"v4-a","g":1}
"""
OLD_LABELS = b"""{"columns":{}}
{"prediction_id":null,"entity_id":"7","label":true,"labelled_at":1764000000000000,"received_at":1764000000000000}
"""
"""Segments as Regrow 0.1 wrote them."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    return tmp_path


def leave_behind(folder: Path, segment: bytes):
    """Make the *folder* of a writer whose process is dead, with one *segment*."""
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    (folder / "000000000001.jsonl").write_bytes(segment)


def journal_of(home: Path, model: str, *lines: bytes, columns: Any = None):
    """Open a journal of *model* and write *lines* to a segment, which is closed."""
    journal = Journal(home / "journal" / model)
    journal.append(columns or {"hour": "double"}, list(lines))
    journal.rotate()
    return journal


def set_aside(home: Path):
    """Return how many rows of each model are set aside."""
    return {model: found.rows for model, found in list_set_aside(home / "journal").items()}


def line(identifier: Any, *features: Any):
    """Write a line with *features*."""
    return orjson.dumps(
        {
            "prediction_id": identifier,
            "entity_id": None,
            "event_time": None,
            "features": features,
            "prediction": [0.5],
            "served_at": SERVED_AT,
            "version": 3,
            "seconds": 0.001,
        }
    )


def logged(model: Any):
    """Read the log of *model* by prediction id."""
    table = open_table(predictions_path(model))
    rows = table.to_pyarrow_dataset().to_table().to_pylist() if table else []
    assert len({row["prediction_id"] for row in rows}) == len(rows)
    return {row["prediction_id"]: row for row in rows}


def test_what_the_version_before_left_in_the_journal_is_flushed(home: Path):
    """Segments that Regrow 0.1 wrote, of predictions and labels, reach the tables at the first flush."""
    leave_behind(home / "journal" / "demo" / "0123abcd", OLD_PREDICTIONS)
    leave_behind(home / "journal" / "demo" / "labels-0123abcd", OLD_LABELS)
    flusher = Flusher(home / "journal")
    flusher.attempt()
    assert (flusher.error, flusher.rows) == (None, 4)
    rows = logged("demo")
    found = find_prediction("a")
    assert found is not None
    assert found["features"] == {"carrier": "AA", "hour": 17.0}
    assert (rows["a"]["entity_id"], rows["a"]["version"], rows["a"]["role"]) == ("7", 3, "champion")
    assert rows["a"]["event_time"].isoformat() == "2013-04-01T05:00:00+00:00"
    assert (rows["b"]["role"], rows["b"]["rollout"], rows["b"]["stage"]) == ("challenger", "v4-a", 1)
    assert rows["b"]["event_time"] == rows["b"]["served_at"]
    assert (rows["c"]["shadow_of"], rows["c"]["prediction"], rows["c"]["fallback"]) == ("b", None, "raised")
    assert label_history("demo")["entity_id"].tolist() == ["7"]
    assert not list((home / "journal").glob("*/*"))


def test_columns_in_another_order_keep_their_values(home: Path):
    """Two versions may take the same columns in different orders: each row is logged under its own."""
    journal = Journal(home / "journal" / "demo")
    journal.append({"distance": "double", "hour": "double"}, [line("a", 900.0, 17.0)])
    journal.append({"hour": "double", "distance": "double"}, [line("b", 17.0, 900.0)])
    journal.rotate()
    flusher = Flusher(home / "journal")
    flusher.attempt()
    assert flusher.error is None
    assert {row["features"]["hour"] for row in logged("demo").values()} == {17.0}


def test_a_segment_that_was_committed_before_a_crash_is_not_appended_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    """A process that dies between the commit and the deletion leaves segments; they are deleted, not repeated."""
    journal = journal_of(home, "demo", line("a", 1.0))
    closed = segments(journal.path)
    content = closed[0].read_bytes()
    assert flush("demo", journal.writer, closed) == 1
    closed[0].write_bytes(content)
    assert flush("demo", journal.writer, closed) == 0
    assert not closed[0].exists()
    assert set(logged("demo")) == {"a"}


def test_damaged_lines_are_set_aside_and_a_torn_last_one_is_nothing(home: Path):
    """What can be read is flushed; the segment of a damaged line is kept; a torn end was never answered."""
    flusher = Flusher(home / "journal")
    journal = journal_of(home, "demo", line("a", 1.0), b'{"prediction_id": "b", "ent', line("c", 3.0))
    flusher.attempt()
    assert set(logged("demo")) == {"a", "c"}
    assert (flusher.error, set_aside(home)) == (None, {"demo": 1})
    assert [path.name for path in (home / "journal" / "demo" / "damaged").glob("*.jsonl")] == [
        f"{journal.writer}-000000000001.jsonl"
    ]
    torn = journal_of(home, "torn", line("a", 1.0))
    with (torn.path / "000000000001.jsonl").open("ab") as segment:
        segment.write(line("b", 2.0)[:20])
    flusher.attempt()
    assert set(logged("torn")) == {"a"}
    assert set(set_aside(home)) == {"demo"}


SPOILT = {
    "a changed key": line("b", 2.0).replace(b"event_time", b"evemt_time"),
    "a short record": line("b"),
    "a long record": line("b", 2.0, 3.0),
    "a value of another kind": line("b", 2.0).replace(b"[0.5]", b'{"0":0.5}'),
    "a number beyond all": line("b", 2.0).replace(b"1764000000000000", b"1764000000000000000000"),
    "no object": b"17",
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
def test_a_row_that_cannot_be_logged_holds_up_nobody(home: Path, spoilt: Any):
    """Its neighbours, the segments behind it and the other models are flushed, now and after a restart."""
    _, second, _ = (journal_of(home, model, line("a", 1.0)) for model in ("first", "second", "third"))
    second.append({"hour": "double"}, [spoilt, line("c", 3.0)])
    second.rotate()
    second.append({"hour": "double"}, [line("d", 4.0)])
    second.rotate()
    for _ in range(2):
        flusher = Flusher(home / "journal")
        flusher.attempt()
        assert (flusher.error, set_aside(home)) == (None, {"second": 1})
        assert [set(logged(model)) for model in ("first", "second", "third")] == [
            {"a"},
            {"a", "c", "d"},
            {"a"},
        ]
    assert not segments(second.path)


def test_columns_that_differ_only_by_capitals_are_logged_both(home: Path):
    """A model may have both; to Delta Lake they are one, so that the second gets a name of its own."""
    flusher = Flusher(home / "journal")
    for number in range(2):
        columns = {"Age": "double", "age": "double"}
        journal_of(home, "demo", line(f"p{number}", 1.0, 2.0), columns=columns)
        flusher.attempt()
        assert (flusher.error, set_aside(home)) == (None, {})
    assert [row["features"] for row in logged("demo").values()] == [{"Age": 1.0, "age__double": 2.0}] * 2


def test_rows_that_the_table_refuses_are_set_aside_and_the_rest_goes_on(home: Path):
    """Three names that differ only by capitals are too many for the table: those rows are kept, others are logged."""
    journal_of(home, "other", line("a", 1.0))
    three = {"age": "double", "Age": "double", "AGE": "double"}
    journal = journal_of(home, "demo", line("a", 1.0, 2.0, 3.0), columns=three)
    journal.append({"hour": "double"}, [line("b", 1.0)])
    journal.rotate()
    flusher = Flusher(home / "journal")
    flusher.attempt()
    assert flusher.error is None
    assert "Duplicate" in list_set_aside(home / "journal")["demo"].reason
    assert (set(logged("demo")), set(logged("other"))) == ({"b"}, {"a"})


def test_a_table_that_cannot_be_written_holds_up_no_other(home: Path):
    """What stops one model is told, and its rows wait; they are logged once the trouble is over."""
    flusher = Flusher(home / "journal")
    for model in ("broken", "well"):
        journal_of(home, model, line("a", 1.0))
    way = predictions_path("broken")
    way.parent.mkdir(parents=True)
    way.write_bytes(b"in the way")
    flusher.attempt()
    assert "broken" in (flusher.error or "")
    assert set(logged("well")) == {"a"}
    way.unlink()
    flusher.attempt()
    assert flusher.error is None
    assert set(logged("broken")) == {"a"}


def test_one_dead_journal_that_cannot_be_flushed_holds_up_no_other(home: Path):
    """The journals that dead processes left are flushed one by one too, and what fails is told until it works."""
    leave_behind(home / "journal" / "broken" / "0123", OLD_PREDICTIONS)
    leave_behind(home / "journal" / "well" / "0123", OLD_PREDICTIONS)
    predictions_path("broken").parent.mkdir(parents=True)
    predictions_path("broken").write_bytes(b"in the way")
    flusher = Flusher(home / "journal")
    for _ in range(2):
        flusher.attempt()
        assert "broken" in (flusher.error or "")
    assert set(logged("well")) == {"a", "b", "c"}


def test_a_damaged_segment_that_was_committed_before_a_crash_is_set_aside(home: Path):
    """A process that dies between the commit and the end of the segment loses no damaged line either."""
    journal = journal_of(home, "demo", line("a", 1.0), line("b"))
    closed = segments(journal.path)
    content = closed[0].read_bytes()
    assert flush("demo", journal.writer, closed) == 1
    kept = next((home / "journal" / "demo" / "damaged").glob("*.jsonl"))
    kept.rename(closed[0])
    assert flush("demo", journal.writer, closed) == 0
    assert kept.read_bytes() == content
    assert set(logged("demo")) == {"a"}


def test_a_segment_stays_until_the_table_is_on_the_disk(home: Path, monkeypatch: pytest.MonkeyPatch):
    """If the disk does not confirm the table the rows stay in the journal; afterwards they are logged once."""
    flusher = Flusher(home / "journal")
    journal = journal_of(home, "demo", line("a", 1.0))

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("regrow.data.delta_files.flush_to_disk", fail)
        for _ in range(2):
            flusher.attempt()
            assert "Input/output error" in (flusher.error or "")
            assert len(segments(journal.path)) == 1
    flusher.attempt()
    assert flusher.error is None
    assert (set(logged("demo")), segments(journal.path)) == ({"a"}, [])


def test_what_the_version_before_had_set_aside_is_told(home: Path):
    """A file `.damaged` in the folder of a dead writer is kept with the others, and its folder goes."""
    folder = home / "journal" / "demo" / "0123"
    leave_behind(folder, OLD_PREDICTIONS)
    (folder / "000000000001.damaged").write_bytes(b"old")
    flusher = Flusher(home / "journal")
    flusher.attempt()
    assert set_aside(home) == {"demo": 1}
    assert not folder.exists()
    assert set(logged("demo")) == {"a", "b", "c"}


def test_of_a_living_process_only_what_is_closed_is_flushed(home: Path):
    """The segment that it writes to is left to it, its folder too; once the lock is free the rest is flushed."""
    living = journal_of(home, "demo", line("a", 1.0))
    living.append({"hour": "double"}, [line("b", 1.0)])
    flusher = Flusher(home / "journal")
    flusher.attempt()
    assert (flusher.living, flusher.rows, set(logged("demo"))) == (1, 1, {"a"})
    os.close(living._lock)
    flusher.attempt()
    assert (flusher.living, flusher.rows, set(logged("demo"))) == (0, 2, {"a", "b"})
    assert writers(home / "journal") == []


def test_a_writer_that_cannot_be_flushed_lives_all_the_same(home: Path):
    """As long as it does, the flusher stays."""
    journal_of(home, "demo", line("a", 1.0))
    predictions_path("demo").parent.mkdir(parents=True)
    predictions_path("demo").write_bytes(b"in the way")
    flusher = Flusher(home / "journal")
    flusher.attempt()
    assert (flusher.living, flusher.error is None) == (1, False)


def test_a_writer_that_died_before_it_had_locked_its_folder_is_removed(home: Path):
    """Not at once: it may be about to."""
    for name in (".old", ".new"):
        (home / "journal" / "demo" / name).mkdir(parents=True)
    os.utime(home / "journal" / "demo" / ".old", (0, 0))
    assert writers(home / "journal") == []
    assert [path.name for path in (home / "journal" / "demo").iterdir()] == [".new"]


def test_a_table_is_compacted_now_and_then(home: Path, monkeypatch: pytest.MonkeyPatch):
    """After many appends, whoever wrote them, its small files are made into large ones."""
    monkeypatch.setattr("regrow.serving.log.flush.COMPACT_EVERY", 3)
    flusher = Flusher(home / "journal")
    for number in range(4):
        journal_of(home, "demo", line(f"p{number}", 1.0))
        flusher.attempt()
    table = open_table(predictions_path("demo"))
    assert table is not None
    assert len(table.file_uris()) == 2
    assert len(logged("demo")) == 4


@pytest.mark.parametrize("busy", [True, False])
def test_one_worker_compacts_at_a_time(home: Path, tmp_path: Path, busy: Any):
    """A table that another worker compacts is left to it."""
    marker = tmp_path / "demo.compacting"
    with marker.open("w") as other:
        if busy:
            fcntl.flock(other, fcntl.LOCK_EX)
        assert compact_alone(tmp_path / "none", marker) is not busy


def test_no_table_is_compacted_while_the_state_is_copied(home: Path, tmp_path: Path):
    """A backup that takes hours finds the files of the tables as they were when it began."""
    with upkeep(load_settings(), "regrow backup"):
        assert not compact_alone(tmp_path / "none", tmp_path / "demo.compacting")
    assert compact_alone(tmp_path / "none", tmp_path / "demo.compacting")
