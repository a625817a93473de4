"""Flush closed journal segments into the tables of predictions and labels, each row exactly once.

Each journal is flushed alone: whatever is wrong with one holds up no other. A row that its table cannot hold holds up
nothing either: its segment is set aside, see `set_aside.py`, and the rows beside it go on.
"""

import logging
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from regrow.base.errors import RowsRefused
from regrow.base.places import Place
from regrow.base.settings import load_settings
from regrow.data.delta import committed, compact
from regrow.data.delta_files import make_durable
from regrow.data.files import LOCK, SET_ASIDE, locked_file, take_over, was_never_locked
from regrow.data.upkeep import compaction_marker, upkeep_if_free
from regrow.serving.log.journal import closed_segments
from regrow.serving.log.segments import HEADER, Segment, number_of, read_segment, segments
from regrow.serving.log.set_aside import set_aside
from regrow.serving.log.tables import UNFIT, Destination, destination_of

LOG = logging.getLogger("regrow.serving")
COMPACT_EVERY = 300
"""Appends to a table after which its small files are made into large ones."""
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


class Flusher:
    """Flushes the journals under *folder*, of living writers and of dead ones, one round after the other."""

    def __init__(self, folder: Path, rows: int = 0) -> None:
        self.rows = rows
        """Rows flushed so far, by those before this one too."""
        self.error: str | None = None
        """What the last round could not flush, and why."""
        self.last: float | None = None
        """When the last round ended; seconds since 1970."""
        self.living = 0
        """Writers that lived in the last round."""
        self._folder = folder
        self._alone = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._appends: dict[tuple[str, Destination], int] = defaultdict(int)
        self._failed: dict[Path, str] = {}
        """Why the journal of each writer cannot be flushed now."""

    def attempt(self) -> None:
        """Flush each journal once; what fails, be it by a panic in Rust, stands in `error` until it works."""
        found, self.living = writers(self._folder), 0
        self._failed = {path: said for path, said in self._failed.items() if path in found}
        for path in found:
            error = self._alone.submit(self._visit, path).exception()
            said = None if error is None else str(error) or type(error).__name__
            if said is None:
                self._failed.pop(path, None)
            elif self._failed.get(path) != said:
                LOG.error("%s: its rows wait: %s", path, said)
                self._failed[path] = said
        self.error = "; ".join([*self._failed.values()][:SHOWN]) or None
        self.last = time.time()

    def _visit(self, writer: Path) -> None:
        """Flush what *writer* has closed; of a dead one all, and remove its folder."""
        lock = take_over(writer)
        if lock is None:
            self.living += (writer / LOCK).exists()
            self._flush(writer, closed_segments(writer))
            return
        try:
            for old in writer.glob("*.damaged"):  # Regrow 0.3 set segments aside where they stood.
                set_aside(old, {HEADER: "a line could not be read"})
            self._flush(writer, segments(writer))
            shutil.rmtree(writer, ignore_errors=True)
        finally:
            os.close(lock)

    def _flush(self, writer: Path, closed: list[Path]) -> None:
        """Flush the *closed* segments of *writer*; after many appends compact their table."""
        if not closed:
            return
        model, destination = writer.parent.name, destination_of(writer.name)
        self.rows += flush(model, writer.name, closed)
        self._appends[model, destination] += 1
        if self._appends[model, destination] >= COMPACT_EVERY:
            self._appends[model, destination] = 0
            table = destination.path(model)
            compact_alone(table, compaction_marker(self._folder, table))


def writers(folder: Path) -> list[Path]:
    """List the folders of the writers under *folder*; remove those whose process died before it had locked them."""
    found = list[Path]()
    for path in sorted(folder.glob("*/*")):
        if not path.name.startswith("."):
            found += [path] if path.name != SET_ASIDE else []
            continue
        with suppress(FileNotFoundError):  # It has just been locked, and has its name.
            if was_never_locked(path):
                shutil.rmtree(path, ignore_errors=True)
    return found


def compact_alone(table: Place, marker: Path) -> bool:
    """Compact *table* unless another process does, which then holds *marker*: two compactions of one table collide.

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
