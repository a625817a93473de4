"""What runs, on disk: who holds which part of a state folder, and which process it is.

Each part has a lock, held by the `regrow up` that runs it, and a record beside it.
"""

import json
import secrets
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from regrow.base.errors import StateError
from regrow.base.provenance import start_of
from regrow.data.files import locked_file, state_errors, write_whole
from regrow.services.process import PATIENCE, stop_survivor

FOLDER = "parts"
OLD_RECORD, OLD_LOCK = "up.json", "up.lock"
"""One file for all parts, as the first versions wrote it."""


class Started(NamedTuple):
    """A process by number and start (numbers are used again), the signal that ends it, and its patience."""

    name: str
    pid: int
    started: str | float
    """As `start_of` tells it; Regrow 0.3 wrote seconds since 1970."""
    signal: int = signal.SIGTERM
    patience: float = PATIENCE


@dataclass(frozen=True)
class Record:
    """What is written down of a part: who runs it, its process, and how it does."""

    pid: int
    """The `regrow up` that runs it."""
    child: Started | None
    """Its process; None if it is down, or not started yet."""
    state: str = "starting"
    since: str = ""
    restarts: int = 0
    last_end: str = ""


def prepare_home(home: Path) -> None:
    """Make the state folder, its owner's alone; raise `StateError` if it cannot be written."""
    with state_errors(home, "the state folder cannot be written"):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "logs").mkdir(parents=True, exist_ok=True)
        probe = home / ".writable"
        probe.write_bytes(b"0" * 4096)
        probe.unlink()


def close_home(home: Path) -> None:
    """Close the state folder to other users: one of an earlier version was open to all."""
    with state_errors(home, "the state folder is not ours to close to other users"):
        home.chmod(0o700)


def secret(file: Path) -> str:
    """Return the secret in *file*, made at the first call; only its owner can read it.

    Raises `StateError` if it can neither be read nor made.
    """
    with state_errors(file):
        if not file.exists() or not file.read_text(encoding="utf-8").strip():
            write_whole(file, f"{secrets.token_urlsafe(24)}\n".encode())
        file.chmod(0o600)
        return file.read_text(encoding="utf-8").strip()


@contextmanager
def held(home: Path, parts: Iterable[str]) -> Iterator[None]:
    """Hold *parts* of *home* for this process; the system lets go of them even after `kill -9`.

    Raises `StateError` naming the process that holds one of them already.
    """
    with state_errors(home, "the state folder cannot be written"):
        (home / FOLDER).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for part in parts:
            if not stack.enter_context(locked_file(home / FOLDER / f"{part}.lock")):
                raise StateError(
                    f"{home}: {part} is run already by `regrow up` (pid {holder(home, part)}); stop it with "
                    "`regrow down`, or give another folder by REGROW_HOME"
                )
        yield


def write_record(home: Path, part: str, record: Record) -> None:
    """Write down how *part* is run, at once or not at all."""
    content = asdict(record) | {"since": datetime.now(UTC).isoformat(timespec="seconds")}
    write_whole(home / FOLDER / f"{part}.json", json.dumps(content).encode(), flush=False)


def read_record(home: Path, part: str) -> Record | None:
    """Return what is written down of *part*; None without a record, or with one that is broken."""
    found = _read(home / FOLDER / f"{part}.json")
    if not found:
        return None
    found["child"] = Started(*found["child"]) if found.get("child") else None
    return Record(**found)


def forget(home: Path, part: str) -> None:
    """Remove the record of *part*, which was stopped."""
    (home / FOLDER / f"{part}.json").unlink(missing_ok=True)


def holder(home: Path, part: str) -> int | None:
    """Return the number of the process that wrote the record of *part*, or None without one."""
    record = read_record(home, part)
    return record.pid if record else None


def stop_survivors(home: Path, parts: Sequence[str]) -> list[str]:
    """End, in the order of *parts*, the recorded processes that still run; return their names."""
    children = _of_an_old_start(home)
    for part in parts:
        if (record := read_record(home, part)) and record.child:
            children.append(record.child)
    stopped = [
        each.name for each in children if stop_survivor(each.pid, each.started, each.signal, each.patience)
    ]
    for part in parts:
        forget(home, part)
    (home / OLD_RECORD).unlink(missing_ok=True)
    return stopped


def describe(name: str, pid: int, number: int = signal.SIGTERM, patience: float = PATIENCE) -> Started:
    """Return what the record holds of the running process *pid*."""
    return Started(name, pid, start_of(pid) or "-", int(number), patience)


def _of_an_old_start(home: Path) -> list[Started]:
    """Return the processes of a `regrow up` of a first version that was killed, newest first."""
    if not (found := _read(home / OLD_RECORD)):
        return []
    with locked_file(home / OLD_LOCK) as dead:
        return [Started(*each) for each in reversed(found.get("children", []))] if dead else []


def _read(file: Path) -> dict[str, Any]:
    """Read a record; a missing or broken one is an empty one."""
    try:
        return json.loads(file.read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return {}
