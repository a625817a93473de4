"""The journals of a worker: closed for the flusher, flushed at the end, and told of if they are not."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from journal_line import LINE

from regrow.data.predictions import find_prediction, predictions_path
from regrow.serving.log import flusher_process
from regrow.serving.log import journal as journal_module
from regrow.serving.log.flush import Flusher
from regrow.serving.log.journals import Journals
from regrow.serving.log.segments import segments
from regrow.serving.log.tables import TO_LABELS

HOUR = {"hour": "double"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return the folder of the journals of a state folder of its own; no process flushes there."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    monkeypatch.setattr(flusher_process, "COMMAND", ("true",))
    return tmp_path / "journal"


def test_each_model_has_a_journal_a_table(folder: Path):
    """One for predictions and one for labels, opened at first use and kept."""
    journals = Journals(folder)
    assert journals.journal("a") is journals.journal("a")
    paths = {journals.journal(*each).path for each in [("a",), ("b",), ("a", TO_LABELS)]}
    assert len(paths) == 3
    assert [path.name.startswith("labels-") for path in sorted(paths, key=lambda path: path.name)].count(True)


def test_what_is_closed_is_the_flushers(folder: Path):
    """After each look the rows so far are flushed by whoever flushes, and the flusher is called."""
    journals, flusher = Journals(folder), Flusher(folder)
    journals.journal("demo").append(HOUR, [LINE])
    flusher.attempt()
    assert flusher.rows == 0
    os.utime(folder, (0, 0))
    journals.look_after()
    flusher.attempt()
    assert flusher.rows == 1
    assert folder.stat().st_mtime > 0
    assert journals.waiting_bytes() == 0


def test_a_journal_that_cannot_be_closed_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The others are closed all the same, and it is told for as long as it lasts."""
    journals = Journals(folder)
    for model in ("bad", "good"):
        journals.journal(model).append(HOUR, [LINE])
    bad, wait = journals.journal("bad").path, journal_module.flush_to_disk

    def fail(path: Path):
        if path == bad:
            raise OSError(errno.EIO, "Input/output error")
        wait(path)

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "flush_to_disk", fail)
        journals.look_after()
    assert "Input/output error" in (journals.error or "")
    Flusher(folder).attempt()
    assert [len(segments(journals.journal(model).path)) for model in ("bad", "good")] == [1, 0]
    journals.look_after()
    assert journals.error is None


def test_no_process_is_started_for_nothing(folder: Path):
    """A server that nobody asks anything leaves no trace, and needs no second process."""
    journals = Journals(folder)
    journals.look_after()
    journals.finish()
    assert (journals.error, journals.rows, journals.last, folder.exists()) == (None, 0, None, False)


def test_a_segment_may_go_while_the_waiting_bytes_are_counted(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A segment that is removed between listing and counting adds nothing, and fails no page of the server."""
    journals = Journals(folder)
    journals.journal("demo").append(HOUR, [LINE])
    waiting = journals.waiting_bytes()
    gone = folder / "demo" / "99999999.jsonl"
    monkeypatch.setattr("regrow.serving.log.journals.segments", lambda path: [gone, *segments(path)])
    assert journals.waiting_bytes() == waiting > 0


@pytest.mark.parametrize("in_the_way", [False, True])
def test_at_the_end_all_is_flushed_by_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, in_the_way: Any
):
    """Once `finish` returns the rows are in their table; what cannot be flushed is left after one round, and logged."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    if in_the_way:
        predictions_path("demo").parent.mkdir(parents=True)
        predictions_path("demo").write_bytes(b"in the way")
    journals = Journals(tmp_path / "journal", interval=0.1, patience=100)
    journals.start()
    journals.journal("demo").append(HOUR, [LINE])
    journals.finish()
    assert journals.journal("demo").path.exists() is in_the_way
    assert ("until the next start" in caplog.text) is in_the_way
    assert in_the_way or find_prediction("a") is not None
