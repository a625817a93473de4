"""What runs, on disk: who holds the state folder, and which processes it started."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from regrow.data.files import locked_file, state_errors, write_whole
from regrow.errors import StateError
from regrow.services.process import started_at, stop_survivor

LOCK = "up.lock"
RECORD = "up.json"


class Started(NamedTuple):
    """A process by number and start time (numbers are used again), and the signal that ends it."""

    name: str
    pid: int
    started: float
    signal: int = signal.SIGTERM


def prepare_home(home: Path) -> None:
    """Make the state folder; raise `StateError` if it cannot be written."""
    with state_errors(home, "the state folder cannot be written"):
        (home / "logs").mkdir(parents=True, exist_ok=True)
        probe = home / ".writable"
        probe.write_bytes(b"0" * 4096)
        probe.unlink()


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold *home* for this process; the system lets go of it even after `kill -9`.

    Raises `StateError` naming the process that holds it already.
    """
    with locked_file(home / LOCK) as locked:
        if not locked:
            raise StateError(
                f"{home}: `regrow up` runs already (pid {holder(home)}); stop it with `regrow down`, "
                "or give another folder by REGROW_HOME"
            )
        yield


def write_record(home: Path, processes: list[Started]) -> None:
    """Write down this process and the *processes* that it started, at once or not at all."""
    write_whole(home / RECORD, json.dumps({"pid": os.getpid(), "children": processes}).encode())


def holder(home: Path) -> int | None:
    """Return the number of the process that wrote the record, or None without one."""
    return _read(home).get("pid")


def stop_survivors(home: Path) -> list[str]:
    """End, newest first, the recorded processes that still run; return their names."""
    processes = [Started(*each) for each in _read(home).get("children", [])]
    stopped = [
        each.name for each in reversed(processes) if stop_survivor(each.pid, each.started, each.signal)
    ]
    (home / RECORD).unlink(missing_ok=True)
    return stopped


def describe(name: str, pid: int, number: int = signal.SIGTERM) -> Started:
    """Return what the record holds of the running process *pid*."""
    return Started(name, pid, started_at(pid) or 0.0, int(number))


def _read(home: Path) -> dict[str, Any]:
    """Read the record; a missing or broken one is an empty one."""
    try:
        return json.loads((home / RECORD).read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return {}
