"""Segments on the disk: what was written is read back, and what was not taken leaves no trace."""

import errno
import os
import tempfile
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regrow.data.files import take_over
from regrow.errors import StateError
from regrow.serving.log import journal as module
from regrow.serving.log.journal import Journal, number_of, read_segment, segments

HOUR = {"hour": "double"}


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


def written(journal):
    journal.rotate()
    return [read_segment(path) for path in segments(journal.path)]


def line(number):
    return orjson.dumps({"row": number})


@given(
    st.lists(st.tuples(st.sampled_from([("a",), ("a", "b"), ("b", "a")]), st.integers(0, 3))),
    st.sampled_from([1, 100, 2**20]),
)
def test_rows_are_read_back_in_order_under_their_own_columns(appends, segment_bytes):
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


def test_nothing_to_append_leaves_nothing(tmp_path):
    """A request whose rows were all left to the champion writes no empty line, which would count as damage."""
    journal = Journal(tmp_path)
    journal.append(HOUR, [])
    assert segments(journal.path) == []
    journal.append(HOUR, [line(1)])
    journal.append(HOUR, [])
    assert written(journal) == [(HOUR, [{"row": 1}], False)]


@example(b"17\n", b'{"columns":{"hour":"double"}}\n')
@example(b'{"hour":17}\n', b"")
@given(st.binary(max_size=80), st.sampled_from([b"", b'{"columns":{"hour":"double"}}\n']))
def test_any_bytes_are_read_or_called_damaged(content, header):
    """A disk may leave anything in a segment: it is read as far as it goes, and never raises."""
    with tempfile.TemporaryDirectory() as folder:
        segment = Path(folder) / "000000000001.jsonl"
        segment.write_bytes(header + content)
        columns, rows, damaged = read_segment(segment)
    assert all(isinstance(row, dict) for row in rows)
    lines = (header + content).count(b"\n")
    assert damaged or not lines or (len(rows) == lines - 1 and columns is not None)


@pytest.mark.parametrize("first", [True, False])
def test_a_full_disk_keeps_none_of_the_lines(tmp_path, monkeypatch, first):
    """If the disk takes half a write the segment is cut back, and the next write goes on as if nothing had been."""
    journal = Journal(tmp_path)
    if not first:
        journal.append(HOUR, [line(0)])
    write = os.write

    def take_half(handle, text):
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


def test_a_disk_that_fails_between_two_segments_is_told(tmp_path, monkeypatch):
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


def test_only_what_is_closed_is_listed(tmp_path):
    """The segment that is written now is nobody else's yet; the numbers grow by one."""
    journal = Journal(tmp_path)
    for number in range(3):
        assert [number_of(path) for path in journal.closed()] == list(range(1, number + 1))
        journal.append(HOUR, [line(number)])
        assert len(journal.closed()) == number
        journal.rotate()
    journal.rotate()
    assert [number_of(path) for path in journal.closed()] == [1, 2, 3]


def test_a_writer_is_alive_until_it_lets_go(tmp_path):
    """Nobody takes over the folder of a writer that holds its lock; once released, somebody does."""
    journal = Journal(tmp_path, "labels-")
    assert journal.path.name.startswith("labels-")
    assert take_over(journal.path) is None
    journal.release()
    lock = take_over(journal.path)
    assert lock is not None
    os.close(lock)
