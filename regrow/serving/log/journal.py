"""The journal: append-only segments on the local disk that survive the death of the server.

Each process that writes has a folder `<journal>/<model>/<writer>/` of numbered segments; it is alive while it holds the
lock on its file `lock`. A segment is a header line, the columns with their types, then one line per row.
"""

import os
import threading
import uuid
from pathlib import Path
from typing import Any

import orjson

from regrow.data.files import make_locked_folder
from regrow.errors import StateError

SUFFIX = ".jsonl"
SEGMENT_BYTES = 32 * 2**20


class Journal:
    """The segments of one model in one process; the writer's name begins with *prefix*."""

    def __init__(self, folder: Path, prefix: str = "", segment_bytes: int = SEGMENT_BYTES) -> None:
        self.writer = f"{prefix}{uuid.uuid4().hex}"
        self.path = folder / self.writer
        self._segment_bytes = segment_bytes
        self._guard = threading.Lock()
        self._lock = make_locked_folder(folder, self.writer)
        self._number = 0
        self._handle = -1
        self._size = 0
        self._columns: dict[str, str] = {}

    def append(self, columns: dict[str, str], lines: list[bytes]) -> None:
        """Write *lines*, rows of *columns*, so that they outlive this process once this returns.

        Raises `StateError` if the disk does not take all of them; then none is kept.
        """
        if not lines:
            return
        with self._guard:
            try:
                if self._handle >= 0 and (self._size >= self._segment_bytes or not self._fits(columns)):
                    self._close()
                self._write(columns, lines)
            except OSError as error:
                self._undo()
                raise StateError(
                    f"{self.path}: the rows cannot be logged ({error.strerror}); make room under REGROW_HOME"
                ) from error

    def rotate(self) -> None:
        """Close the current segment, if it holds rows."""
        with self._guard:
            if self._handle >= 0:
                self._close()

    def closed(self) -> list[Path]:
        """List the segments that are closed, oldest first."""
        with self._guard:
            current = self._number if self._handle >= 0 else self._number + 1
        return [path for path in segments(self.path) if number_of(path) < current]

    def release(self) -> None:
        """Close the current segment and give up the lock on this writer's folder."""
        self.rotate()
        os.close(self._lock)

    def _write(self, columns: dict[str, str], lines: list[bytes]) -> None:
        """Append *lines* to the current segment, beginning one if there is none."""
        text = b"\n".join(lines) + b"\n"
        if self._handle < 0:
            self._number += 1
            name = self.path / f"{self._number:012d}{SUFFIX}"
            self._handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            self._size, self._columns = 0, columns
            text = orjson.dumps({"columns": columns}) + b"\n" + text
        written = 0
        while written < len(text):
            written += os.write(self._handle, memoryview(text)[written:])
        self._size += written

    def _fits(self, columns: dict[str, str]) -> bool:
        """Return whether the current segment has *columns*, in the same order: a line names none of its features."""
        return columns is self._columns or list(columns.items()) == list(self._columns.items())

    def _undo(self) -> None:
        """Cut the current segment back to the last whole write."""
        if self._handle >= 0:
            os.ftruncate(self._handle, self._size)
            if self._size == 0:
                self._close()

    def _close(self) -> None:
        """Flush the current segment to the disk and leave it to be flushed."""
        os.fsync(self._handle)
        os.close(self._handle)
        self._handle = -1


def segments(folder: Path) -> list[Path]:
    """List the segments in *folder*, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def number_of(segment: Path) -> int:
    """Return the number of *segment*."""
    return int(segment.stem)


def read_segment(segment: Path) -> tuple[dict[str, str], list[dict[str, Any]], bool]:
    """Return the columns and the rows of *segment*, and whether a line cannot be read; a torn last line is left out."""
    lines = segment.read_bytes().split(b"\n")
    whole = lines[:-1]
    if not whole:
        return {}, [], False
    header, *rows = [_parse(line) for line in whole]
    if header is None or "columns" not in header:
        return {}, [], True
    return header["columns"], [row for row in rows if row is not None], None in rows


def _parse(line: bytes) -> dict[str, Any] | None:
    """Read one *line*; return None if it is damaged."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
