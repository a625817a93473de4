"""Flush closed journal segments into the tables of predictions and labels, each row exactly once.

Each journal is flushed alone: whatever is wrong with one holds up no other. A row that its table cannot hold holds up
nothing either: its segment is set aside, see `set_aside.py`, and the rows beside it go on.
"""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path

from regrow.data.delta import committed, compact
from regrow.data.delta_files import make_durable
from regrow.data.files import locked_file, take_over, was_never_locked
from regrow.data.upkeep import upkeep_if_free
from regrow.errors import RowsRefused
from regrow.serving.log.journal import Journal
from regrow.serving.log.segments import HEADER, Segment, number_of, read_segment, segments
from regrow.serving.log.set_aside import SetAside, list_set_aside, set_aside
from regrow.serving.log.tables import TO_PREDICTIONS, UNFIT, Destination, destination_of
from regrow.settings import load_settings

LOG = logging.getLogger("regrow.serving")
COMPACT_EVERY = 300
"""Appends to a table after which its small files are made into large ones."""
ADOPT_EVERY = 60.0
"""Seconds between two searches for the journals of dead processes."""
CHUNK_BYTES = 32 * 2**20
"""About how many bytes of the journal one commit takes."""
SHOWN = 3
"""Problems that /health shows at most."""


def flush(model: str, writer: str, closed: list[Path]) -> int:
    """Append the rows of the *closed* segments of *writer* to their table of *model*, delete them, count the rows.

    A segment is deleted once its rows are on the disk in the table. A commit carries the number of its last segment:
    one that was committed before a crash is now only deleted. A segment with a row that cannot be read, or that the
    table cannot hold, is set aside instead of deleted.
    """
    if not closed:
        return 0
    done = committed(destination_of(writer).path(model), writer)
    for segment in closed:
        if number_of(segment) <= done:
            read = read_segment(segment)
            _dismiss(segment, read.damage | _unfit(model, writer, read))
    rows = 0
    for chunk in _chunks([segment for segment in closed if number_of(segment) > done]):
        rows += _flush_chunk(model, writer, chunk)
    return rows


def flush_dead(path: Path) -> int:
    """Flush the journal of the writer at *path* if its process is dead; return the number of rows."""
    if was_never_locked(path):
        shutil.rmtree(path, ignore_errors=True)
    lock = None if path.name.startswith(".") else take_over(path)
    if lock is None:
        return 0
    try:
        for old in path.glob("*.damaged"):  # Regrow 0.3 set segments aside where they stood.
            set_aside(old, {HEADER: "a line could not be read"})
        rows = flush(path.parent.name, path.name, segments(path))
        shutil.rmtree(path, ignore_errors=True)
        return rows
    finally:
        os.close(lock)


class FlushThread(threading.Thread):
    """The thread that flushes this process's journals, and those of dead processes."""

    def __init__(self, folder: Path, interval: float = 1.0, synced: bool = False) -> None:
        super().__init__(name="flush", daemon=True)
        self.journals: dict[tuple[str, Destination], Journal] = {}
        self.rows = 0
        """Rows flushed so far."""
        self.error: str | None = None
        """What the last attempt could not flush, and why."""
        self.set_aside: dict[str, SetAside] = {}
        """What of each model could not be logged, since whenever."""
        self.last: float | None = None
        """When the last attempt ended; seconds since 1970."""
        self._folder = folder
        self._interval = interval
        self._synced = synced
        """Whether appends to the journals wait for the disk."""
        self._stop_asked = threading.Event()
        self._round = ThreadPoolExecutor(1, thread_name_prefix="flush-round")
        self._appends: dict[tuple[str, Destination], int] = {}
        self._failed: dict[Path, str] = {}
        """Why the journal of each writer cannot be flushed now."""
        self._adopted = 0.0

    def journal(self, model: str, destination: Destination = TO_PREDICTIONS) -> Journal:
        """Return the journal of *model* for this *destination*, opening it at first use."""
        if (model, destination) not in self.journals:
            path = self._folder / model
            self.journals[model, destination] = Journal(path, destination.prefix, synced=self._synced)
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
                shutil.rmtree(journal.path, ignore_errors=True)
            else:
                LOG.warning("%s: rows stay in %s until the next start", model, journal.path)

    def attempt(self) -> None:
        """Flush each journal once; what fails is kept for /health and tried again."""
        own = {journal.path for journal in self.journals.values()}
        for (model, destination), journal in tuple(self.journals.items()):
            self._alone(journal.path, partial(self._flush_own, model, destination, journal))
        if time.monotonic() - self._adopted > ADOPT_EVERY or not self._adopted:
            self._adopted = time.monotonic()
            self._failed = {path: said for path, said in self._failed.items() if path in own}
            for path in sorted(set(self._folder.glob("*/*")) - own):
                self._alone(path, partial(flush_dead, path))
        self.error = "; ".join([*self._failed.values()][:SHOWN]) or None
        self.set_aside = list_set_aside(self._folder)
        self.last = time.time()

    def waiting_bytes(self) -> int:
        """Count the bytes that wait in this process's journals."""
        waiting = 0
        for journal in tuple(self.journals.values()):
            for segment in segments(journal.path):
                with suppress(FileNotFoundError):  # flushed and removed by another thread
                    waiting += segment.stat().st_size
        return waiting

    def _alone(self, writer: Path, work: Callable[[], int]) -> None:
        """Do the *work* on the journal of *writer*; whatever it raises is kept, so that the others are flushed."""
        done = self._round.submit(work)
        error = done.exception()
        if error is None:
            self.rows += done.result()
            self._failed.pop(writer, None)
            return
        said = str(error) or type(error).__name__
        if self._failed.get(writer) != said:
            LOG.error("%s: its rows wait: %s", writer, said)
        self._failed[writer] = said

    def _flush_own(self, model: str, destination: Destination, journal: Journal) -> int:
        """Flush the closed segments of *journal*; now and then compact its table; return the number of rows."""
        journal.rotate()
        closed = journal.closed()
        rows = flush(model, journal.writer, closed)
        self._compact_now_and_then(model, destination, appended=bool(closed))
        return rows

    def _compact_now_and_then(self, model: str, destination: Destination, *, appended: bool) -> None:
        """Compact the table of *model* after many appends."""
        appends = self._appends.get((model, destination), 0) + appended
        if appends >= COMPACT_EVERY:
            appends, table = 0, destination.path(model)
            compact_alone(table, self._folder / f"{table.parent.name}-{model}.compacting")
        self._appends[model, destination] = appends


def compact_alone(table: Path, marker: Path) -> bool:
    """Compact *table* unless another worker does, who then holds *marker*: two compactions of one table collide.

    Nor while the state is copied or tidied.
    """
    with locked_file(marker) as isalone, upkeep_if_free(load_settings(), f"compaction of {table}") as isfree:
        if isalone and isfree:
            compact(table)
        return isalone and isfree


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
    """Append one *chunk*, a commit for each run of segments with the same columns; then dismiss its segments."""
    read = [(segment, read_segment(segment)) for segment in chunk]
    count = 0
    for _, run in groupby(read, key=lambda entry: list(entry[1].columns.items())):
        entries = list(run)
        count += _append(model, writer, entries)
    return count


def _append(model: str, writer: str, entries: list[tuple[Path, Segment]]) -> int:
    """Append the rows of *entries*, segments of the same columns, and dismiss these; return the number of rows."""
    destination, number, columns = (
        destination_of(writer),
        number_of(entries[-1][0]),
        entries[0][1].columns,
    )
    rows = [row for _, read in entries for row in read.rows]
    unfit: list[dict[int, str]] = [{} for _ in entries]
    try:
        if rows:
            destination.append(model, columns, rows, writer, number)
    except RowsRefused as error:
        unfit = [dict.fromkeys(read.places, str(error)) for _, read in entries]
        rows = []
    except UNFIT:
        unfit = [_unfit(model, writer, read) for _, read in entries]
        if not any(unfit):
            raise
        rows = [
            row
            for (_, read), wrong in zip(entries, unfit, strict=True)
            for place, row in zip(read.places, read.rows, strict=True)
            if place not in wrong
        ]
        if rows:
            destination.append(model, columns, rows, writer, number)
    # Labels that were known already may be another process's, of a moment ago.
    make_durable(destination.path(model))
    for (segment, read), wrong in zip(entries, unfit, strict=True):
        _dismiss(segment, read.damage | wrong)
    return len(rows)


def _unfit(model: str, writer: str, segment: Segment) -> dict[int, str]:
    """Return what is wrong with each row of *segment* that the table has no shape for, by its line."""
    check, wrong = destination_of(writer).check, dict[int, str]()
    for place, row in zip(segment.places, segment.rows, strict=True):
        try:
            check(model, segment.columns, [row])
        except UNFIT as error:
            wrong[place] = f"{type(error).__name__}: {error}"[:200]
    return wrong


def _dismiss(segment: Path, damage: dict[int, str]) -> None:
    """Delete *segment*, whose rows are in the table; set it aside if there is *damage*."""
    if not damage:
        segment.unlink()
        return
    kept = set_aside(segment, damage)
    LOG.error("%s: %d rows could not be logged (%s)", kept, len(damage), next(iter(damage.values())))
