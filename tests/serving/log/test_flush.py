"""From the journal into the tables: each row once, under its own columns, whoever wrote it."""

import fcntl
import os

import orjson
import pytest

from regrow.data.delta import open_table
from regrow.data.labels import label_history
from regrow.data.predictions import find_prediction, predictions_path
from regrow.serving.log.flush import FlushThread, compact_alone, flush
from regrow.serving.log.journal import segments

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


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    return tmp_path


def leave_behind(folder, segment):
    """Make the *folder* of a writer whose process is dead, with one *segment*."""
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    (folder / "000000000001.jsonl").write_bytes(segment)


def line(identifier, *features):
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


def logged(model):
    """Read the log of *model* by prediction id."""
    table = open_table(predictions_path(model))
    rows = table.to_pyarrow_dataset().to_table().to_pylist() if table else []
    assert len({row["prediction_id"] for row in rows}) == len(rows)
    return {row["prediction_id"]: row for row in rows}


def test_what_the_version_before_left_in_the_journal_is_flushed(home):
    """Segments that Regrow 0.1 wrote, of predictions and labels, reach the tables at the first flush."""
    leave_behind(home / "journal" / "demo" / "0123abcd", OLD_PREDICTIONS)
    leave_behind(home / "journal" / "demo" / "labels-0123abcd", OLD_LABELS)
    flusher = FlushThread(home / "journal")
    flusher.attempt()
    assert (flusher.error, flusher.rows) == (None, 4)
    rows = logged("demo")
    assert find_prediction("a")["features"] == {"carrier": "AA", "hour": 17.0}
    assert (rows["a"]["entity_id"], rows["a"]["version"], rows["a"]["role"]) == ("7", 3, "champion")
    assert rows["a"]["event_time"].isoformat() == "2013-04-01T05:00:00+00:00"
    assert (rows["b"]["role"], rows["b"]["rollout"], rows["b"]["stage"]) == ("challenger", "v4-a", 1)
    assert rows["b"]["event_time"] == rows["b"]["served_at"]
    assert (rows["c"]["shadow_of"], rows["c"]["prediction"], rows["c"]["fallback"]) == ("b", None, "raised")
    assert label_history("demo")["entity_id"].tolist() == ["7"]
    assert not list((home / "journal").glob("*/*"))


def test_columns_in_another_order_keep_their_values(home):
    """Two versions may take the same columns in different orders: each row is logged under its own."""
    flusher = FlushThread(home / "journal")
    journal = flusher.journal("demo")
    journal.append({"distance": "double", "hour": "double"}, [line("a", 900.0, 17.0)])
    journal.append({"hour": "double", "distance": "double"}, [line("b", 17.0, 900.0)])
    flusher.attempt()
    assert flusher.error is None
    assert {row["features"]["hour"] for row in logged("demo").values()} == {17.0}


def test_a_segment_that_was_committed_before_a_crash_is_not_appended_again(home, monkeypatch):
    """A process that dies between the commit and the deletion leaves segments; they are deleted, not repeated."""
    journal = FlushThread(home / "journal").journal("demo")
    journal.append({"hour": "double"}, [line("a", 1.0)])
    journal.rotate()
    closed = segments(journal.path)
    content = closed[0].read_bytes()
    assert flush("demo", journal.writer, closed) == 1
    closed[0].write_bytes(content)
    assert flush("demo", journal.writer, closed) == 0
    assert not closed[0].exists()
    assert set(logged("demo")) == {"a"}


def test_damaged_lines_are_kept_beside_and_a_torn_last_one_is_nothing(home):
    """What can be read is flushed; the file with a damaged line stays as .damaged; a torn end was never answered."""
    flusher = FlushThread(home / "journal")
    journal = flusher.journal("demo")
    journal.append({"hour": "double"}, [line("a", 1.0), b'{"prediction_id": "b", "ent', line("c", 3.0)])
    flusher.attempt()
    assert set(logged("demo")) == {"a", "c"}
    assert [path.name for path in journal.path.glob("*.damaged")] == ["000000000001.damaged"]
    torn = flusher.journal("torn")
    torn.append({"hour": "double"}, [line("a", 1.0)])
    with (torn.path / "000000000001.jsonl").open("ab") as segment:
        segment.write(line("b", 2.0)[:20])
    flusher.attempt()
    assert set(logged("torn")) == {"a"}
    assert not list(torn.path.glob("*.damaged"))


def test_a_journal_of_a_living_process_is_left_alone(home):
    """Only the process that holds the lock on a journal flushes it; once the lock is free any other does."""
    living = FlushThread(home / "journal").journal("demo")
    living.append({"hour": "double"}, [line("a", 1.0)])
    FlushThread(home / "journal").attempt()
    assert logged("demo") == {}
    os.close(living._lock)
    FlushThread(home / "journal").attempt()
    assert set(logged("demo")) == {"a"}


@pytest.mark.parametrize("busy", [True, False])
def test_one_worker_compacts_at_a_time(tmp_path, busy):
    """A table that another worker compacts is left to it."""
    marker = tmp_path / "demo.compacting"
    with marker.open("w") as other:
        if busy:
            fcntl.flock(other, fcntl.LOCK_EX)
        assert compact_alone(tmp_path / "none", marker) is not busy


def test_a_segment_may_go_while_the_waiting_bytes_are_counted(home, monkeypatch):
    """A segment that is removed between listing and counting adds nothing, and fails no page of the server."""
    thread = FlushThread(home / "journal")
    journal = thread.journal("demo")
    journal.append({"x": "double"}, [line("p1", 1.0)])
    waiting = thread.waiting_bytes()
    gone = home / "journal" / "demo" / "99999999.jsonl"
    monkeypatch.setattr("regrow.serving.log.flush.segments", lambda folder: [gone, *segments(folder)])
    monkeypatch.setattr(type(gone), "exists", lambda path: True)
    assert thread.waiting_bytes() == waiting > 0
