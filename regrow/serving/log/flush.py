"""Flush closed journal segments into the tables of predictions and labels, each row exactly once."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from regrow.data.delta import committed, compact
from regrow.data.files import locked_file, take_over, was_never_locked
from regrow.data.labels import append_labels, labels_path
from regrow.data.predictions import append_predictions, predictions_path
from regrow.serving.log.journal import Journal, number_of, read_segment, segments
from regrow.serving.log.lines import logged_table

LOG = logging.getLogger("regrow.serving")
COMPACT_EVERY = 300
"""Appends to a table after which its small files are made into large ones."""
ADOPT_EVERY = 60.0
"""Seconds between two searches for the journals of dead processes."""
CHUNK_BYTES = 32 * 2**20
"""About how many bytes of the journal one commit takes."""


@dataclass(frozen=True)
class Destination:
    """A table that journals are flushed into, and how a journal for it is recognised and appended."""

    prefix: str
    """What the names of the journal's writers begin with."""
    path: Callable[[str], Path]
    """The table of a model."""
    append: Callable[[str, dict[str, str], list[dict[str, Any]], str, int], object]
    """Append the rows of a segment, given the model, the segment's columns and rows, the writer and the number."""


def _append_predictions(
    model: str, columns: dict[str, str], rows: list[dict[str, Any]], writer: str, number: int
) -> bool:
    """Append journal *rows* to the prediction log."""
    return append_predictions(model, logged_table(model, columns, rows), writer, number)


def _append_labels(
    model: str, _columns: dict[str, str], rows: list[dict[str, Any]], writer: str, number: int
) -> int:
    """Append journal *rows* to the labels."""
    keys = ("prediction_id", "row_key", "entity_id", "label", "event_time", "labelled_at", "received_at")
    frame = pd.DataFrame({key: pd.Series([row.get(key) for row in rows], dtype=object) for key in keys})
    times = {key: pd.to_datetime(frame[key].astype("Int64"), unit="us", utc=True) for key in keys[4:]}
    return append_labels(model, frame.assign(**times), writer, number, "http")


TO_PREDICTIONS = Destination("", predictions_path, _append_predictions)
TO_LABELS = Destination("labels-", labels_path, _append_labels)


def destination_of(writer: str) -> Destination:
    """Return the table that the journal of *writer* belongs to."""
    return TO_LABELS if writer.startswith(TO_LABELS.prefix) else TO_PREDICTIONS


def flush(model: str, writer: str, closed: list[Path]) -> int:
    """Append the rows of the *closed* segments of *writer* to their table of *model*, delete them, count the rows.

    A commit carries the number of its last segment: one that was committed before a crash is now only deleted.
    """
    if not closed:
        return 0
    done = committed(destination_of(writer).path(model), writer)
    for segment in closed:
        if number_of(segment) <= done:
            segment.unlink()
    rows = 0
    for chunk in _chunks([segment for segment in closed if number_of(segment) > done]):
        rows += _flush_chunk(model, writer, chunk)
    return rows


def flush_dead(folder: Path) -> int:
    """Flush the journals under *folder* whose processes are dead; return the number of rows."""
    rows = 0
    for path in sorted(folder.glob("*/*")):
        if was_never_locked(path):
            shutil.rmtree(path, ignore_errors=True)
        lock = None if path.name.startswith(".") else take_over(path)
        if lock is None:
            continue
        try:
            rows += flush(path.parent.name, path.name, segments(path))
            _remove(path)
        finally:
            os.close(lock)
    return rows


class FlushThread(threading.Thread):
    """The thread that flushes this process's journals, and those of dead processes."""

    def __init__(self, folder: Path, interval: float = 1.0) -> None:
        super().__init__(name="flush", daemon=True)
        self.journals: dict[tuple[str, Destination], Journal] = {}
        self.rows = 0
        """Rows flushed so far."""
        self.error: str | None = None
        """Why the last attempt failed."""
        self.last: float | None = None
        """When the last attempt ended; seconds since 1970."""
        self._folder = folder
        self._interval = interval
        self._stop_asked = threading.Event()
        self._round = ThreadPoolExecutor(1, thread_name_prefix="flush-round")
        self._appends: dict[tuple[str, Destination], int] = {}
        self._adopted = 0.0

    def journal(self, model: str, destination: Destination = TO_PREDICTIONS) -> Journal:
        """Return the journal of *model* for this *destination*, opening it at first use."""
        if (model, destination) not in self.journals:
            self.journals[model, destination] = Journal(self._folder / model, destination.prefix)
        return self.journals[model, destination]

    def run(self) -> None:
        """Flush every interval until asked to stop."""
        while not self._stop_asked.is_set():
            self.attempt()
            self._stop_asked.wait(self._interval)

    def finish(self) -> None:
        """Stop the thread and flush what is left; what cannot be flushed now is flushed by the next start."""
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
        """Flush once; a failure is kept for /health and tried again."""
        error = self._round.submit(self._once).exception()
        if error is not None and str(error) != self.error:
            LOG.error("the prediction log is behind: %s", error)
        self.error = None if error is None else str(error)
        self.last = time.time()

    def waiting_bytes(self) -> int:
        """Count the bytes that wait in this process's journals."""
        waiting = 0
        for journal in tuple(self.journals.values()):
            for segment in segments(journal.path):
                with suppress(FileNotFoundError):  # flushed and removed by another thread
                    waiting += segment.stat().st_size
        return waiting

    def _once(self) -> None:
        """Flush this process's closed segments; now and then compact a table and look for dead processes."""
        for (model, destination), journal in tuple(self.journals.items()):
            journal.rotate()
            closed = journal.closed()
            self.rows += flush(model, journal.writer, closed)
            self._compact_now_and_then(model, destination, appended=bool(closed))
        if time.monotonic() - self._adopted > ADOPT_EVERY or not self._adopted:
            self._adopted = time.monotonic()
            self.rows += flush_dead(self._folder)

    def _compact_now_and_then(self, model: str, destination: Destination, *, appended: bool) -> None:
        """Compact the table of *model* after many appends."""
        appends = self._appends.get((model, destination), 0) + appended
        if appends >= COMPACT_EVERY:
            appends, table = 0, destination.path(model)
            compact_alone(table, self._folder / f"{table.parent.name}-{model}.compacting")
        self._appends[model, destination] = appends


def compact_alone(table: Path, marker: Path) -> bool:
    """Compact *table* unless another worker does, who then holds *marker*: two compactions of one table collide."""
    with locked_file(marker) as isalone:
        if isalone:
            compact(table)
    return isalone


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


def _flush_chunk(model: str, writer: str, chunk: list[Path]) -> int:
    """Append one *chunk*, a commit for each run of segments with the same columns; then delete it."""
    read = [(segment, *read_segment(segment)) for segment in chunk]
    count = 0
    for _, run in groupby(read, key=lambda entry: list(entry[1].items())):
        entries = list(run)
        rows = [row for entry in entries for row in entry[2]]
        if rows:
            destination_of(writer).append(model, entries[0][1], rows, writer, number_of(entries[-1][0]))
        for segment, _, _, damaged in entries:
            if damaged:
                LOG.error("%s: some lines cannot be read; the file is kept beside as .damaged", segment)
                segment.rename(segment.with_suffix(".damaged"))
            else:
                segment.unlink()
        count += len(rows)
    return count


def _remove(folder: Path) -> None:
    """Remove the *folder* of a writer that has been flushed; one with damaged segments stays."""
    if not any(folder.glob("*.damaged")):
        shutil.rmtree(folder, ignore_errors=True)
