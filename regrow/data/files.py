"""Locks between processes, and files that are there whole or not at all.

A lock is one on an open file. The kernel gives it back when the process dies, however it dies, so nothing that a
dead process held stays locked. A *locked folder* belongs to one process: it holds the lock on the file `lock` in it.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regrow.base import provenance
from regrow.base.errors import StateError
from regrow.base.places import Place
from regrow.base.settings import UMASK

SET_ASIDE = "damaged"
"""The folder of a model's journal in which rows stand that could not be logged."""
DICTIONARY_BYTES = 64 * 1024
"""A Parquet column is written by a dictionary of its values until that grows beyond this.

By default Parquet gives up at 1 MB, which numbers and ids that do not repeat reach in vain: that took 0.9 seconds of
131,072 rows of 20 numbers, this takes 0.15, and the file is smaller.
"""

LOCK = "lock"
PARTIAL = ".partial"
STALE = 86_400.0
"""Seconds after which a partial file of another machine counts as left behind."""
ROOM = "make room or give another folder by REGROW_HOME"


@contextmanager
def locked_file(path: Path) -> Iterator[bool]:
    """Lock the file at *path*, made if it is not there, until the end of the block.

    Yields whether this process got the lock; False if another one (or another place in this one) has it. The file
    stays: to remove it would let two processes lock two files of one name.
    """
    with state_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield try_lock(handle)
    finally:
        os.close(handle)


def make_locked_folder(folder: Path, name: str) -> int:
    """Make the folder *name* in *folder*, locked before another process can see it; return the lock's handle.

    To close the handle is to unlock the folder. Raises `StateError` if it cannot be written.
    """
    hidden = folder / f".{name}"
    with state_errors(folder):
        hidden.mkdir(parents=True)
        handle = os.open(hidden / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(folder / name)
    return handle


def take_over(folder: Path) -> int | None:
    """Lock *folder* if its process is dead; return the lock's handle, or None if the process lives or has no lock."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None
    if try_lock(handle):
        return handle
    os.close(handle)
    return None


def was_never_locked(folder: Path, age: float = 60) -> bool:
    """Return whether the process that made *folder* died before it had locked it, over *age* seconds ago."""
    return folder.name.startswith(".") and time.time() - folder.stat().st_mtime > age


def make_folders(folder: Path) -> None:
    """Make *folder* and those above it that are not there, so that a power cut does not take them away again."""
    if not folder.is_dir():
        make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        flush_to_disk(folder.parent)


def write_whole(path: Path, content: bytes, flush: bool = True) -> None:
    """Write *content* to the file at *path* so that a reader sees the old file or the new one, never a part.

    With *flush* the new file is on the disk when this returns, and survives a power cut; without, it survives only
    the death of the process, and costs no wait. Raises `StateError` if it cannot be written, and leaves the old file.
    """
    with state_errors(path), partial_file(path.parent) as partial:
        partial.write_bytes(content)
        if flush:
            flush_to_disk(partial)
        partial.replace(path)
        if flush:
            flush_to_disk(path.parent)


@contextmanager
def partial_file(folder: Path) -> Iterator[Path]:
    """Yield the path of a new file in *folder*; at the end of the block it is removed, unless it was renamed."""
    partial = folder / f"{provenance.process_identity()}~{uuid.uuid4().hex}{PARTIAL}"
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def open_to_readers() -> Iterator[None]:
    """Write by the user's own umask meanwhile: what is delivered is for others to read, unlike all other files."""
    before = os.umask(int(os.environ[UMASK], 8)) if UMASK in os.environ else None
    try:
        yield
    finally:
        if before is not None:
            os.umask(before)


def remove_partials(folder: Path) -> None:
    """Remove from *folder* and below what a process left half-written when it died; that of a living one stays."""
    for partial in folder.rglob(f"*~*{PARTIAL}"):
        try:
            old = time.time() - partial.stat().st_mtime > STALE
            if old or provenance.has_died(partial.name.partition("~")[0]):
                partial.unlink()
        except OSError:  # Another sweep was faster, or the folder is read-only, which the next write reports.
            continue


def flush_to_disk(path: Path) -> None:
    """Wait until the file at *path*, or the names in the folder at *path*, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def state_errors(path: Place, what: str = "cannot be written") -> Iterator[None]:
    """Turn an `OSError` inside the block into a `StateError`: *path*, *what* is wrong, the reason, what to do."""
    try:
        yield
    except OSError as error:
        raise StateError(f"{path}: {what} ({error.strerror or error}); {ROOM}") from error


def try_lock(handle: int) -> bool:
    """Return whether the lock on the open file *handle* was free, and take it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
