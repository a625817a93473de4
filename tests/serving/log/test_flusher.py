"""The process that flushes: what it does while writers live, when it ends, and what it holds in memory."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from journal_line import LINE

from regrow.serving.log import flusher
from regrow.serving.log.flusher import LOCK_FILE, call, run
from regrow.serving.log.journal import Journal
from regrow.serving.log.notes import read_note


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Open a journal under a state folder of its own."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    return Journal(tmp_path / "journal" / "demo")


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until *condition* holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def started(folder: Path) -> tuple[threading.Thread, int]:
    """Run the flusher of *folder* in a thread; return that and the lock."""
    lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    thread = threading.Thread(target=run, args=(folder, lock, os.getppid()), daemon=True)
    thread.start()
    return thread, lock


def test_it_flushes_while_a_writer_lives_and_notes_what_it_did(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    """Called, it begins at once, however long its interval; with the last writer it ends, and all is flushed."""
    monkeypatch.setattr(flusher, "INTERVAL", 1000.0)
    folder = journal.path.parents[1]
    thread, _ = started(folder)
    until(lambda: read_note(folder / LOCK_FILE))
    journal.append({"hour": "double"}, [LINE])
    journal.rotate()
    call(folder)
    until(lambda: read_note(folder / LOCK_FILE).get("rows") == 1)
    journal.append({"hour": "double"}, [LINE])
    journal.release()
    call(folder)
    thread.join(30)
    assert not thread.is_alive()
    assert not journal.path.exists()
    note = read_note(folder / LOCK_FILE)
    assert (note["rows"], note["error"]) == (2, None)
    assert note["last"] == pytest.approx(time.time(), abs=60)


def test_the_count_of_the_one_before_goes_on(journal: Journal):
    """A flusher that takes over from a dead one begins with the rows that this one has noted."""
    folder = journal.path.parents[1]
    for total in (1, 2):
        mine = Journal(folder / "demo")
        mine.append({"hour": "double"}, [LINE])
        mine.release()
        journal.release() if total == 1 else None
        started(folder)[0].join(30)
        assert read_note(folder / LOCK_FILE)["rows"] == total


def test_it_ends_with_the_worker_that_started_it(journal: Journal):
    """All is tried once more; the other workers start another one, whose output goes where theirs goes."""
    journal.append({"hour": "double"}, [LINE])
    journal.rotate()
    folder = journal.path.parents[1]
    lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    run(folder, lock, starter=os.getpid())
    assert read_note(folder / LOCK_FILE)["rows"] == 1
    assert journal.path.exists()


@pytest.mark.parametrize("away", ["folder", "lock"])
def test_it_ends_if_its_folder_goes_away(journal: Journal, away: str):
    """A state folder that was removed, or replaced by another one, has no use for it, whoever writes there."""
    folder = journal.path.parents[1]
    thread, _ = started(folder)
    until(lambda: read_note(folder / LOCK_FILE))
    if away == "folder":
        folder.rename(folder.with_name("elsewhere"))
    else:
        (folder / LOCK_FILE).unlink()
    thread.join(30)
    assert not thread.is_alive()


def test_it_is_small():
    """It imports neither MLflow nor scikit-learn nor Prefect, nor what the server answers with."""
    code = "import sys, regrow.serving.log.flusher; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "deltalake" in found.split()
    assert not {"mlflow", "sklearn", "prefect", "fastapi", "starlette", "uvicorn"} & set(found.split())
