"""Files that are removed once they are old, and how much room that makes."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from regrow.base.places import Place
from regrow.base.settings import Settings
from regrow.data.delta import VACUUM_HOURS, checkpoint, compact, find_tables, open_table
from regrow.data.files import PARTIAL, locked_file
from regrow.data.store_files import find_files, remove
from regrow.data.stores import MARK
from regrow.data.upkeep import compaction_marker

DAY = 86_400.0
COPY_BYTES = 2**20


@dataclass(frozen=True)
class Room:
    """How many things were removed, or would be, and their bytes."""

    count: int = 0
    bytes: int = 0

    def __add__(self, other: "Room") -> "Room":
        """Return both together."""
        return Room(self.count + other.count, self.bytes + other.bytes)


def remove_old_files(folder: Place, days: float, kept: Collection[str] = (), dry_run: bool = False) -> Room:
    """Remove the files of *folder* and below that were not written for *days*, but for the names *kept*.

    Half-written files are left to those who know whether their writer lives.
    """
    found, before = Room(), time.time() - days * DAY
    for file in find_files(folder):
        name = file.place.name
        if name in kept or name == MARK or name.endswith(PARTIAL) or file.changed >= before:
            continue
        if not dry_run:
            remove(file.place)
        found += Room(1, file.bytes)
    return found


def room_of(folder: Place) -> Room:
    """Return the number of all files of *folder* and below, and their bytes."""
    return sum((Room(1, file.bytes) for file in find_files(folder)), Room())


def tables_of(settings: Settings) -> Iterator[tuple[str, Place]]:
    """Yield each model and its tables, of predictions and of labels."""
    for path in find_tables(settings.tables):
        if path.parent.name in {"predictions", "labels"}:
            yield path.name, path


def tidy_table(path: Place, settings: Settings, dry_run: bool = False) -> Room:
    """Merge small files of the table at *path*, write down its state, and remove files that no reader still reads.

    One at a time does it: if the model server is at it already, nothing is done. Raises `StateError` if the table is
    damaged.
    """
    table = open_table(path)
    if table is None:
        return Room()
    if dry_run:
        named = set(table.vacuum(VACUUM_HOURS, dry_run=True, enforce_retention_duration=False))
        sizes = {str(file.place).removeprefix(f"{path}/"): file.bytes for file in find_files(path)}
        return Room(len(named), sum(sizes.get(name, 0) for name in named))
    settings.journal.mkdir(parents=True, exist_ok=True)
    before = room_of(path)
    with locked_file(compaction_marker(settings.journal, path)) as is_ours:
        if not is_ours:
            return Room()
        compact(path)
        checkpoint(path)
    after = room_of(path)
    return Room(max(before.count - after.count, 0), max(before.bytes - after.bytes, 0))


def put_log_aside(log: Path, most: int, dry_run: bool = False) -> Room:
    """Copy *log* beside itself, in place of the last copy, and cut it to nothing if it exceeds *most* bytes.

    Whoever writes to it appends, and goes on at its new end; a line that is written meanwhile may be lost.
    """
    aside = log.with_suffix(".1.log")
    if not log.is_file() or log.stat().st_size <= most:
        return Room()
    replaced = aside.stat().st_size if aside.is_file() else 0
    size = log.stat().st_size
    kept = min(size, most)
    if not dry_run:
        with log.open("rb+") as stream, aside.open("wb") as copy:
            stream.seek(size - kept)
            while chunk := stream.read(COPY_BYTES):
                copy.write(chunk)
            stream.truncate(0)
    return Room(1, size - kept + replaced)
