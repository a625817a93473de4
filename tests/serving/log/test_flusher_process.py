"""The flusher as a worker sees it: one at a time, replaced when it dies, and told if it cannot be started."""

import fcntl
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from regrow.serving.log import flusher_process
from regrow.serving.log.flusher import LOCK_FILE
from regrow.serving.log.flusher_process import NEVER, FlusherProcess
from regrow.serving.log.notes import read_note

STANDS_IN = """
import os, sys, time
from pathlib import Path
from regrow.serving.log.notes import write_note
write_note(int(sys.argv[1]), {"rows": 1, "pid": os.getpid()})
time.sleep(60)
"""


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """Let another program stand in for the flusher."""

    def use(*words: str) -> None:
        monkeypatch.setattr(flusher_process, "COMMAND", words)

    return use


def looked(process: FlusherProcess, condition: Callable[[], object], seconds: float = 60) -> None:
    """Look until *condition* holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, process.problem
        process.look()
        time.sleep(0.02)


def test_one_of_several_workers_starts_it_and_another_takes_over(
    tmp_path: Path, command: Callable[..., None]
):
    """However many look there is one; once it was killed the next look starts another."""
    command(sys.executable, "-c", STANDS_IN)
    first, second = FlusherProcess(tmp_path), FlusherProcess(tmp_path)
    looked(first, lambda: first.note)
    second.look()
    assert second.note == first.note
    assert second._child is None
    assert first._child is not None
    assert first.note["pid"] == first._child.pid
    first._child.kill()
    first._child.wait()
    looked(second, lambda: second.note != first.note)
    assert second._child is not None
    assert second.note["pid"] == second._child.pid
    first.look()
    assert (first.note, first._child) == (second.note, None)
    assert (first.problem, second.problem) == (None, None)
    second.end()
    assert second._child.poll() == -signal.SIGKILL


@pytest.mark.parametrize(("words", "said"), [(("false",), "exit code 1"), (("/no/such",), "No such file")])
def test_one_that_cannot_be_started_is_told(
    tmp_path: Path,
    command: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
):
    """Not at the first failure, but after three, with the reason; the pause between two starts grows."""
    command(*words)
    monkeypatch.setattr(flusher_process, "LONGEST_PAUSE", 0.1)
    process = FlusherProcess(tmp_path)
    process.look()
    assert process.problem is None
    looked(process, lambda: process.problem)
    assert said in (process.problem or "")
    assert process._starts == 3
    monkeypatch.setattr(flusher_process, "LONGEST_PAUSE", 1000.0)
    process.look()
    assert process._starts == 3, "it waits before it tries again"


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Hold the lock of the flusher of *folder*, as one does that never ends a round."""
    with (folder / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_one_that_is_silent_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A process that holds the lock and ends no round is not replaced, for it may yet; but somebody must look."""
    monkeypatch.setattr(flusher_process, "SILENT_SECONDS", 0.0)
    process = FlusherProcess(tmp_path)
    with running(tmp_path):
        time.sleep(0.01)
        process.look()
    assert "silent" in (process.problem or "")


def test_one_that_was_not_needed_was_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After hours without a request the first one finds a server that is well."""
    monkeypatch.setattr(flusher_process, "SILENT_SECONDS", 0.2)
    process = FlusherProcess(tmp_path)
    with running(tmp_path):
        time.sleep(0.25)
        process.look(NEVER)
        process.look()
    assert process.problem is None


def test_nothing_is_started_before_its_time(tmp_path: Path, command: Callable[..., None]):
    """Without anything to flush there is no process, and no file."""
    command("false")
    FlusherProcess(tmp_path).look(NEVER)
    assert list(tmp_path.iterdir()) == []
    assert read_note(tmp_path / LOCK_FILE) == {}


def test_a_call_without_a_folder_is_nothing(tmp_path: Path):
    """A worker goes on if its state folder was removed."""
    FlusherProcess(tmp_path / "none").call()
