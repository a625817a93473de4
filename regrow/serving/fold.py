"""Fold closed journal segments into the tables of predictions and labels, each exactly once."""

import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

from regrow.data.delta import committed, compact
from regrow.serving.holding import abandoned, adopt
from regrow.serving.journal import Journal, number_of, read_segment, segments
from regrow.serving.kinds import PREDICTIONS, Kind, kind_of

LOG = logging.getLogger("regrow.serving")
COMPACT_EVERY = 300
ADOPT_EVERY = 60.0
CHUNK_BYTES = 32 * 2**20


def fold(model: str, writer: str, closed: list[Path]) -> int:
    """Append the rows of the *closed* segments of *writer* to their table of *model* and delete them; gives the rows.

    The commit carries the last segment's number: what was committed before a crash is only deleted after.
    """
    if not closed:
        return 0
    done = committed(kind_of(writer).path(model), writer)
    for segment in closed:
        if number_of(segment) <= done:
            segment.unlink()
    rows = 0
    for chunk in _chunks([segment for segment in closed if number_of(segment) > done]):
        rows += _fold_chunk(model, writer, chunk)
    return rows


def fold_dead(folder: Path) -> int:
    """Fold the segments under *folder* whose processes are dead; gives the rows."""
    rows = 0
    for path in sorted(folder.glob("*/*")):
        if abandoned(path):
            shutil.rmtree(path, ignore_errors=True)
        lock = None if path.name.startswith(".") else adopt(path)
        if lock is None:
            continue
        try:
            rows += fold(path.parent.name, path.name, segments(path))
            _remove(path)
        finally:
            os.close(lock)
    return rows


class Folder(threading.Thread):
    """The thread that folds this process's segments, and those of dead ones."""

    def __init__(self, folder: Path, interval: float = 1.0) -> None:
        super().__init__(name="fold", daemon=True)
        self.journals: dict[tuple[str, Kind], Journal] = {}
        self.rows = 0
        self.error: str | None = None
        self.last: float | None = None
        self._folder = folder
        self._interval = interval
        self._stop_asked = threading.Event()
        self._round = ThreadPoolExecutor(1, thread_name_prefix="fold-round")
        self._appends: dict[tuple[str, Kind], int] = {}
        self._adopted = 0.0

    def journal(self, model: str, kind: Kind = PREDICTIONS) -> Journal:
        """Give the journal of *model* of this *kind*, opening it at first use."""
        if (model, kind) not in self.journals:
            self.journals[model, kind] = Journal(self._folder / model, kind.prefix)
        return self.journals[model, kind]

    def run(self) -> None:
        """Fold every interval until asked to stop."""
        while not self._stop_asked.is_set():
            self.attempt()
            self._stop_asked.wait(self._interval)

    def finish(self) -> None:
        """Stop the thread and fold what is left; what cannot be folded now is folded by the next start."""
        self._stop_asked.set()
        self.join()
        self.attempt()
        for (model, _), journal in self.journals.items():
            journal.release()
            if not segments(journal.path):
                _remove(journal.path)
            else:
                LOG.warning("%s: rows stay in %s until the next start", model, journal.path)

    def attempt(self) -> None:
        """Fold once; a failure is kept for /health and tried again."""
        error = self._round.submit(self._once).exception()
        if error is not None and str(error) != self.error:
            LOG.error("the prediction log is behind: %s", error)
        self.error = None if error is None else str(error)
        self.last = time.time()

    def pending(self) -> int:
        """Count the bytes that wait in the journals."""
        return sum(
            segment.stat().st_size
            for journal in tuple(self.journals.values())
            for segment in segments(journal.path)
            if segment.exists()
        )

    def _once(self) -> None:
        """Fold this process's closed segments; now and then those of dead processes, and small files."""
        for (model, kind), journal in tuple(self.journals.items()):
            journal.rotate()
            closed = journal.closed()
            self.rows += fold(model, journal.writer, closed)
            self._appends[model, kind] = self._appends.get((model, kind), 0) + bool(closed)
            if self._appends[model, kind] >= COMPACT_EVERY:
                self._appends[model, kind] = 0
                table = kind.path(model)
                compact_alone(table, self._folder / f"{table.parent.name}-{model}.compacting")
        if time.monotonic() - self._adopted > ADOPT_EVERY or not self._adopted:
            self._adopted = time.monotonic()
            self.rows += fold_dead(self._folder)


def compact_alone(table: Path, marker: Path) -> bool:
    """Compact *table* unless another worker does, who then holds *marker*: two compactions of one table collide."""
    with marker.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        compact(table)
    return True


def _chunks(waiting: list[Path]) -> Iterator[list[Path]]:
    """Split the *waiting* segments into runs that are worth one commit."""
    size, chunk = 0, []
    for segment in waiting:
        chunk.append(segment)
        size += segment.stat().st_size
        if size >= CHUNK_BYTES:
            yield chunk
            size, chunk = 0, []
    if chunk:
        yield chunk


def _fold_chunk(model: str, writer: str, chunk: list[Path]) -> int:
    """Append one *chunk*, a commit for each run of segments with the same columns; then delete it."""
    read = [(segment, *read_segment(segment)) for segment in chunk]
    count = 0
    for _, run in groupby(read, key=lambda entry: sorted(entry[1].items())):
        entries = list(run)
        rows = [row for entry in entries for row in entry[2]]
        if rows:
            kind_of(writer).append(model, entries[0][1], rows, writer, number_of(entries[-1][0]))
        for segment, _, _, damaged in entries:
            if damaged:
                LOG.error("%s: some lines cannot be read; the file is kept beside as .damaged", segment)
                segment.rename(segment.with_suffix(".damaged"))
            else:
                segment.unlink()
        count += len(rows)
    return count


def _remove(folder: Path) -> None:
    """Remove a writer's *folder* that has been folded; one with damaged segments stays."""
    if not any(folder.glob("*.damaged")):
        shutil.rmtree(folder, ignore_errors=True)
