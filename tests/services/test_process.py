"""One process that Regrow starts, and its end."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from small_disk import fill, small_disk

from regrow.base.errors import Unreachable
from regrow.base.provenance import start_of
from regrow.services.process import clear_group, start_process, stop_survivor, stop_together, tail


def sleeper(name: str, log: Path, code: str = "import time; time.sleep(60)"):
    return start_process(name, [sys.executable, "-c", code], dict(os.environ), log, lambda: True)


def test_a_service_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    """A service that dies says its name, its exit code and what it printed last."""
    process = sleeper("the oracle", tmp_path / "o.log", "print('out of wisdom'); raise SystemExit(3)")
    process.handle.wait()
    with pytest.raises(Unreachable, match=r"(?s)the oracle.*exit code 3.*out of wisdom"):
        process.check_alive()


def test_the_end_of_a_log_is_what_says_something(tmp_path: Path) -> None:
    """Requests that were answered and empty lines are left out of the end of a log; a long log is not read whole."""
    log = tmp_path / "m.log"
    log.write_text(
        "OSError: no space left\n"
        + 3000 * 'INFO:     127.0.0.1:33334 - "GET /health HTTP/1.1" 200 OK\n\n'
        + '127.0.0.1 - - [26/Nov/2026 02:00:00] "POST /api/2.0/mlflow/runs/search HTTP/1.1" 200 -\n'
    )
    assert tail(log) == "OSError: no space left"
    assert tail(tmp_path / "none.log") == "(no log)"
    log.write_text("\n".join(map(str, range(100_000))))
    assert tail(log, 2) == "99998\n99999"


def test_a_killed_process_is_told_by_its_signal(tmp_path: Path) -> None:
    """A process that was killed says by which signal, and one that runs says nothing."""
    process = sleeper("the oracle", tmp_path / "o.log")
    assert process.how_it_ended() is None
    process.handle.kill()
    process.handle.wait()
    assert "killed by signal 9" in str(process.how_it_ended())


def test_what_a_dead_leader_left_ends_in_time(tmp_path: Path) -> None:
    """What is left of the group of a dead process may end by itself; what does not is killed."""
    code = "import subprocess as s; print(s.Popen(['sleep', '60']).pid, flush=True)"
    process = sleeper("parent", tmp_path / "p.log", code)
    process.handle.wait()
    child = int(tail(tmp_path / "p.log"))
    assert start_of(child) is not None
    clear_group(process.handle.pid, 0.1)
    deadline = time.monotonic() + 5
    while start_of(child) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert start_of(child) is None
    clear_group(process.handle.pid, 5)


def test_stopping_a_process_stops_what_it_started(tmp_path: Path) -> None:
    """Nothing that a service started outlives it, though only the service is told to stop."""
    code = "import subprocess as s, time; print(s.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    process = sleeper("parent", tmp_path / "p.log", code)
    while not (text := tail(tmp_path / "p.log")).isdigit():
        time.sleep(0.05)
    stop_together([process])
    deadline = time.monotonic() + 5
    while start_of(int(text)) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert start_of(int(text)) is None


def test_a_reused_process_number_is_left_alone(tmp_path: Path) -> None:
    """A process that has the number of a recorded one, but started at another time, is not touched."""
    process = sleeper("innocent", tmp_path / "i.log")
    assert stop_survivor(process.handle.pid, 1.0, signal.SIGTERM) is False
    assert process.handle.poll() is None
    stop_together([process])


def test_the_end_of_a_log_says_that_its_disk_is_full(tmp_path: Path) -> None:
    """What a process had to say when the disk was full is not in its log, so the end of the log names the disk."""
    with small_disk(tmp_path / "disk", 4) as disk:
        log = disk / "log"
        log.write_text("it answers\n")
        assert tail(log) == "it answers"
        fill(disk)
        assert (
            tail(log)
            == f"it answers\n(the disk of {log} is full, so its last lines may be missing: make room)"
        )
