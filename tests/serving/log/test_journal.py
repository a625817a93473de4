"""Segments on the disk: what was written is read back, and what was not taken leaves no trace."""

import errno
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.base.errors import StateError
from regrow.data.files import take_over
from regrow.serving.log import journal as module
from regrow.serving.log.journal import Journal, closed_segments
from regrow.serving.log.segments import number_of, read_segment, segments

HOUR = {"hour": "double"}


def written(journal: Any):
    journal.rotate()
    return [read_segment(path) for path in segments(journal.path)]


def line(number: Any):
    return orjson.dumps({"row": number})


@given(
    st.lists(st.tuples(st.sampled_from([("a",), ("a", "b"), ("b", "a")]), st.integers(0, 3))),
    st.sampled_from([1, 100, 2**20]),
)
def test_rows_are_read_back_in_order_under_their_own_columns(appends: Any, segment_bytes: Any):
    """Whatever is appended, however small the segments: each row once, in order, under its columns, none damaged."""
    with tempfile.TemporaryDirectory() as folder:
        journal, expected = Journal(Path(folder), segment_bytes=segment_bytes), []
        for names, count in appends:
            rows = [{"row": len(expected) + index} for index in range(count)]
            journal.append(dict.fromkeys(names, "double"), [orjson.dumps(row) for row in rows])
            expected += [(names, row) for row in rows]
        read = written(journal)
        journal.release()
    assert [(tuple(columns), row) for columns, rows, _ in read for row in rows] == expected
    assert not any(damaged for *_, damaged in read)


def test_nothing_to_append_leaves_nothing(tmp_path: Path):
    """A request whose rows were all left to the champion writes no empty line, which would count as damage."""
    journal = Journal(tmp_path)
    journal.append(HOUR, [])
    assert segments(journal.path) == []
    journal.append(HOUR, [line(1)])
    journal.append(HOUR, [])
    assert written(journal) == [(HOUR, [{"row": 1}], {})]


@pytest.mark.parametrize("first", [True, False])
def test_a_full_disk_keeps_none_of_the_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: Any):
    """If the disk takes half a write the segment is cut back, and the next write goes on as if nothing had been."""
    journal = Journal(tmp_path)
    if not first:
        journal.append(HOUR, [line(0)])
    write = os.write

    def take_half(handle: Any, text: Any):
        if len(text) < 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, text[:8])

    monkeypatch.setattr(module.os, "write", take_half)
    with pytest.raises(StateError, match=r"No space left on device.*REGROW_HOME"):
        journal.append(HOUR, [line(1)])
    monkeypatch.setattr(module.os, "write", write)
    journal.append(HOUR, [line(2)])
    rows = [row for _, found, damaged in written(journal) for row in found if not damaged]
    assert rows == ([{"row": 2}] if first else [{"row": 0}, {"row": 2}])


def test_a_disk_that_fails_between_two_segments_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A segment that cannot be flushed is a `StateError` too, or the thread that predicts would end."""
    journal = Journal(tmp_path, segment_bytes=1)
    journal.append(HOUR, [line(1)])

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", fail)
        with pytest.raises(StateError, match="Input/output error"):
            journal.append(HOUR, [line(2)])
    journal.append(HOUR, [line(3)])
    assert [row["row"] for _, rows, _ in written(journal) for row in rows] == [1, 3]


def test_a_disk_that_does_not_even_cut_the_segment_back_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """If the half-written rows cannot be taken back the segment is left, and the next write begins another."""
    journal = Journal(tmp_path)
    journal.append(HOUR, [line(0)])
    write = os.write

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    def take_half(handle: Any, text: Any):
        return write(handle, text[:8]) if len(text) > 20 else fail()

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "write", take_half)
        patch.setattr(module.os, "ftruncate", fail)
        patch.setattr(module.os, "fsync", fail)
        with pytest.raises(StateError, match="Input/output error"):
            journal.append(HOUR, [line(1)])
    journal.append(HOUR, [line(2)])
    assert [row["row"] for _, rows, _ in written(journal) for row in rows] == [0, 2]


def test_a_synced_journal_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each append is on the disk once it returns, with the segment's name; without `synced` nobody waits."""
    flushed = []
    monkeypatch.setattr(module.os, "fdatasync", lambda _: flushed.append("rows"))
    monkeypatch.setattr(module, "flush_to_disk", flushed.append)
    journal = Journal(tmp_path / "synced", synced=True)
    flushed.clear()
    journal.append(HOUR, [line(0)])
    assert flushed == ["rows", journal.path]
    journal.append(HOUR, [line(1)])
    assert flushed == ["rows", journal.path, "rows"]
    Journal(tmp_path / "not").append(HOUR, [line(0)])
    assert flushed.count("rows") == 2


def test_those_who_come_while_the_disk_is_waited_for_wait_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """While one append waits, others are written; one more flush is enough for all of them."""
    journal = Journal(tmp_path, synced=True)
    begun, go, flushes = threading.Event(), threading.Event(), []

    def flush(_):
        flushes.append(1)
        begun.set()
        assert go.wait(10)

    monkeypatch.setattr(module.os, "fdatasync", flush)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(journal.append, HOUR, [line(0)])
        assert begun.wait(10)
        rest = [pool.submit(journal.append, HOUR, [line(number)]) for number in range(1, 6)]
        deadline = time.monotonic() + 10
        while (journal.path / "000000000001.jsonl").read_bytes().count(b"row") < 6:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not any(each.done() for each in (first, *rest))
        go.set()
        for each in (first, *rest):
            each.result(10)
    assert len(flushes) == 2


def test_a_disk_that_cannot_be_waited_for_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No answer promises what the disk has not confirmed."""
    journal = Journal(tmp_path, synced=True)

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fdatasync", fail)
        with pytest.raises(StateError, match="Input/output error"):
            journal.append(HOUR, [line(0)])
    journal.append(HOUR, [line(1)])


def test_only_what_is_closed_is_listed(tmp_path: Path):
    """The segment that is written now is nobody else's yet; the numbers grow by one."""
    journal = Journal(tmp_path)
    for number in range(3):
        assert [number_of(path) for path in closed_segments(journal.path)] == list(range(1, number + 1))
        journal.append(HOUR, [line(number)])
        assert len(closed_segments(journal.path)) == number
        assert journal.rotate()
    assert not journal.rotate()
    assert [number_of(path) for path in closed_segments(journal.path)] == [1, 2, 3]


def test_a_segment_is_closed_once_those_before_it_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One that is being closed holds back the next one, which is full already: their rows go in their order."""
    journal, seen = Journal(tmp_path, segment_bytes=1), []
    journal.append(HOUR, [line(0)])

    def append_meanwhile(path: Path):
        for number in (1, 2):
            journal.append(HOUR, [line(number)])
        seen.extend(closed_segments(path))

    monkeypatch.setattr(module, "flush_to_disk", append_meanwhile)
    journal.rotate()
    assert seen == []
    assert [number_of(path) for path in closed_segments(journal.path)] == [1]


def test_what_a_writer_of_an_earlier_regrow_writes_is_its_own(tmp_path: Path):
    """It notes nothing, so that nothing is taken from it while it lives."""
    journal = Journal(tmp_path)
    journal.append(HOUR, [line(1)])
    journal.rotate()
    (journal.path / "lock").write_bytes(b"")
    assert closed_segments(journal.path) == []


def test_a_writer_is_alive_until_it_lets_go(tmp_path: Path):
    """Nobody takes over the folder of a writer that holds its lock; once released, somebody does."""
    journal = Journal(tmp_path, "labels-")
    journal.append(HOUR, [line(1)])
    assert journal.path.name.startswith("labels-")
    assert take_over(journal.path) is None
    journal.release()
    lock = take_over(journal.path)
    assert lock is not None
    os.close(lock)


def test_a_journal_that_cannot_be_opened_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """While the disk is full each request tries it again: neither folders nor handles may add up."""

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_note", fail)
    handles = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(StateError, match="No space left"):
        Journal(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == handles


def test_a_writer_without_rows_leaves_nothing(tmp_path: Path):
    """Nobody has to look at its folder."""
    journal = Journal(tmp_path)
    journal.release()
    assert not journal.path.exists()
