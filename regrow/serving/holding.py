"""Folders that belong to one process: they are its own while it holds the lock on their file `lock`.

The kernel gives the lock back when the process dies, however it dies.
"""

import fcntl
import os
import time
from pathlib import Path

from regrow.errors import StateError

LOCK = "lock"


def hold(folder: Path, name: str) -> int:
    """Make the folder *name* in *folder*, locked before another process can see it; gives the lock.

    Raises `StateError` where the disk does not take it.
    """
    hidden = folder / f".{name}"
    try:
        hidden.mkdir(parents=True)
        handle = os.open(hidden / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(folder / name)
    except OSError as error:
        raise StateError(
            f"{folder}: cannot be written ({error.strerror}); make room or give another folder by REGROW_HOME"
        ) from error
    return handle


def adopt(folder: Path) -> int | None:
    """Take *folder* if its process is dead; gives the lock, to be closed at the end."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def abandoned(folder: Path, age: float = 60) -> bool:
    """Say whether *folder* is one whose process died before it began."""
    return folder.name.startswith(".") and time.time() - folder.stat().st_mtime > age
