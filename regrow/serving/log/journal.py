"""The journal: append-only segments on the local disk that survive the death of the server.

Each process that writes has a folder `<journal>/<model>/<writer>/` of numbered segments; it is alive while it holds the
lock on its file `lock`, in which it notes up to which number they are closed: those are the flusher's. `segments.py`
says what stands in one.

What was appended survives the death of the process. A power cut takes what was appended since the last `rotate`, unless
the journal is *synced*: then an append waits for the disk, all that come meanwhile together.
"""

import os
import shutil
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from regrow.base.errors import StateError
from regrow.data.files import LOCK, flush_to_disk, make_folders, make_locked_folder, state_errors
from regrow.serving.log.notes import read_note, write_note
from regrow.serving.log.segments import SUFFIX, header_line, number_of, sealed, segments

SEGMENT_BYTES = 32 * 2**20
CLOSED = "closed"
"""In a writer's note: the number up to which its segments are closed."""


class Journal:
    """The segments of one model in one process; the writer's name begins with *prefix*."""

    def __init__(
        self, folder: Path, prefix: str = "", segment_bytes: int = SEGMENT_BYTES, synced: bool = False
    ) -> None:
        self.writer = f"{prefix}{uuid.uuid4().hex}"
        self.path = folder / self.writer
        self._segment_bytes = segment_bytes
        self._synced = synced
        self._guard = threading.Lock()
        """Held while a segment is written or changed."""
        self._flushing = threading.Lock()
        """Held while the disk is waited for; taken before the guard."""
        with state_errors(folder):
            make_folders(folder)
        self._lock = make_locked_folder(folder, self.writer)
        try:
            with state_errors(folder):
                write_note(self._lock, {CLOSED: 0})  # Later ones need no room on the disk.
                flush_to_disk(folder)
        except StateError:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            raise
        self._number = 0
        self._handle = -1
        self._size = 0
        self._columns: dict[str, str] = {}
        self._written = self._flushed = 0
        """Bytes so far, of all segments: those that were written, and those that are on the disk."""
        self._named = 0
        """The newest segment whose name is on the disk."""
        self._noted = 0
        """Up to which number the others know that the segments are closed."""

    def append(self, columns: dict[str, str], lines: list[bytes]) -> None:
        """Write *lines*, rows of *columns*, so that they outlive this process, or a power cut, once this returns.

        Raises `StateError` if the disk does not take all of them; then none is kept, but for what a disk took that
        could not be waited for.
        """
        if not lines:
            return
        text = b"".join(map(sealed, lines))
        try:
            with self._guard:
                try:
                    if self._handle >= 0 and (self._size >= self._segment_bytes or not self._fits(columns)):
                        self._close()
                    self._write(columns, text)
                except OSError:
                    self._undo()
                    raise
                end = self._written
            if self._synced:
                self._await_disk(end)
        except OSError as error:
            raise StateError(
                f"{self.path}: the rows cannot be logged ({error.strerror}); make room under REGROW_HOME"
            ) from error

    def rotate(self) -> bool:
        """Close the current segment, if it holds rows, and note so once it is on the disk; appends go on meanwhile.

        Returns whether segments were closed since the last time. Raises `OSError` if the disk fails.
        """
        with self._flushing:
            with self._guard:
                handle, self._handle, end, number = self._handle, -1, self._written, self._number
            if handle >= 0:
                _end(handle, os.fsync)
                flush_to_disk(self.path)
                self._flushed = end
            if number == self._noted:
                return False
            write_note(self._lock, {CLOSED: number})
            self._noted = number
            return True

    def release(self) -> None:
        """Close the current segment and give up the lock on this writer's folder, which goes if it holds none.

        Raises `OSError` if the disk fails; the lock is given up all the same.
        """
        try:
            self.rotate()
            if not segments(self.path):
                shutil.rmtree(self.path, ignore_errors=True)
        finally:
            os.close(self._lock)

    def _write(self, columns: dict[str, str], text: bytes) -> None:
        """Append the lines of *text* to the current segment, beginning one if there is none."""
        if self._handle < 0:
            self._number += 1
            name = self.path / f"{self._number:012d}{SUFFIX}"
            self._handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            self._size, self._columns = 0, columns
            text = header_line(columns) + text
        written = 0
        while written < len(text):
            written += os.write(self._handle, memoryview(text)[written:])
        self._size += written
        self._written += written

    def _await_disk(self, end: int) -> None:
        """Return once what was written up to *end* is on the disk; whoever comes first flushes for all who wait."""
        with self._flushing:
            if self._flushed >= end:
                return
            with self._guard:
                handle = os.dup(self._handle) if self._handle >= 0 else -1
                end, number = self._written, self._number
            if handle >= 0:
                _end(handle, os.fdatasync)
            if number != self._named:
                flush_to_disk(self.path)
            self._flushed, self._named = end, number

    def _fits(self, columns: dict[str, str]) -> bool:
        """Return whether the current segment has *columns*, in the same order: a line names none of its features."""
        return columns is self._columns or list(columns.items()) == list(self._columns.items())

    def _undo(self) -> None:
        """Cut the current segment back to the last whole write; one that cannot be cut is left as it is."""
        if self._handle < 0:
            return
        try:
            os.ftruncate(self._handle, self._size)
        except OSError:
            with suppress(OSError):
                self._close()
        if self._size == 0:
            with suppress(OSError):
                self._close()

    def _close(self) -> None:
        """Flush the current segment to the disk and leave it to be flushed into the table."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            _end(handle, os.fsync)


def closed_segments(folder: Path) -> list[Path]:
    """List the segments in *folder* that its living writer says are closed, oldest first."""
    last = read_note(folder / LOCK).get(CLOSED, 0)
    return [path for path in segments(folder) if number_of(path) <= last]


def _end(handle: int, flush: Callable[[int], object]) -> None:
    """Wait by *flush* until the file of *handle* is on the disk, and close it, whatever the disk says."""
    try:
        flush(handle)
    finally:
        os.close(handle)
