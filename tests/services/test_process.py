"""One process that Regrow starts, and its end."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from regrow.errors import Unreachable
from regrow.services.process import start_process, started_at, stop_survivor, stop_together, tail


def sleeper(name: str, log: Path, code: str = "import time; time.sleep(60)"):
    return start_process(name, [sys.executable, "-c", code], dict(os.environ), log, lambda: True)


def test_a_service_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    """A service that dies says its name, its exit code and what it printed last."""
    process = sleeper("the oracle", tmp_path / "o.log", "print('out of wisdom'); raise SystemExit(3)")
    process.handle.wait()
    with pytest.raises(Unreachable, match=r"(?s)the oracle.*exit code 3.*out of wisdom"):
        process.check_alive()


def test_stopping_a_process_stops_what_it_started(tmp_path: Path) -> None:
    """Nothing that a service started outlives it, though only the service is told to stop."""
    code = "import subprocess as s, time; print(s.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    process = sleeper("parent", tmp_path / "p.log", code)
    while not (text := tail(tmp_path / "p.log")).isdigit():
        time.sleep(0.05)
    stop_together([process])
    deadline = time.monotonic() + 5
    while started_at(int(text)) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert started_at(int(text)) is None


def test_a_reused_process_number_is_left_alone(tmp_path: Path) -> None:
    """A process that has the number of a recorded one, but started at another time, is not touched."""
    process = sleeper("innocent", tmp_path / "i.log")
    assert stop_survivor(process.handle.pid, 1.0, signal.SIGTERM) is False
    assert process.handle.poll() is None
    stop_together([process])
