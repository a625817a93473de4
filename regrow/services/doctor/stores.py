"""What is kept: tables that open, and journals that do not pile up."""

import time
from collections.abc import Iterator
from pathlib import Path

from regrow.base.errors import StateError
from regrow.base.places import Place
from regrow.base.settings import Settings
from regrow.data.delta import find_tables, open_table
from regrow.data.files import SET_ASIDE
from regrow.data.stores import check_store, stores_of
from regrow.notifications.outbox import Outbox
from regrow.services.doctor.diagnosis import Diagnosis, duration, size
from regrow.services.doctor.machine import look_at_room

OLD_SECONDS = 900.0
"""A segment of a journal that waits for longer than this is not flushed by anybody."""
MANY_BYTES = 1e9


def examine_stores(settings: Settings) -> Iterator[Diagnosis]:
    """Yield what was found of the folders of the store, its tables, and the journals."""
    yield from look_at_folders(settings)
    yield from look_at_tables(settings.tables)
    yield from look_at_store_disk(settings)
    yield from look_at_journals(settings.journal, time.time())
    yield look_at_notifications(settings.home.absolute())


def look_at_folders(settings: Settings) -> Iterator[Diagnosis]:
    """Yield the folders of the store that were there and are not now; one line if all are."""
    away = 0
    for folder in stores_of(settings):
        try:
            check_store(folder)
        except StateError as error:
            away += 1
            found, _, remedy = str(error).partition("; ")
            yield Diagnosis("store", "wrong", found, remedy)
    if not away:
        yield Diagnosis("store", "well", "snapshots, tables and files of models are where they were")


def look_at_store_disk(settings: Settings) -> Iterator[Diagnosis]:
    """Yield how much room the store has, if it is a folder on another disk than the state folder's."""
    root, home = settings.store_root, settings.home.absolute()
    if not isinstance(root, Path) or not root.is_dir() or not home.is_dir():
        return
    if root.stat().st_dev != home.stat().st_dev:
        yield look_at_room(root)


def look_at_notifications(home: Path) -> Diagnosis:
    """Return how many notifications wait to be sent, and for how long."""
    count, seconds = Outbox(home).waiting()
    if seconds > OLD_SECONDS:
        found = f"{count} wait to be sent, the oldest for {duration(seconds)}"
        remedy = "their receiver does not take them, or the runner is down: `regrow notify --test`, logs/runner.log"
        return Diagnosis("notifications", "warning", found, remedy)
    return Diagnosis("notifications", "well", f"{count} wait to be sent" if count else "nothing waits")


def look_at_tables(folder: Place) -> Iterator[Diagnosis]:
    """Yield the tables in *folder* that do not open; one line if all do."""
    try:
        tables = find_tables(folder)
    except StateError:  # `look_at_folders` has told.
        return
    well = 0
    for table in tables:
        try:
            open_table(table)
        except StateError as error:
            yield Diagnosis("tables", "wrong", str(error), "see docs/operations.md, `A table does not open`")
        else:
            well += 1
    if well == len(tables):
        yield Diagnosis("tables", "well", f"{well} open")


def look_at_journals(folder: Path, now: float) -> Iterator[Diagnosis]:
    """Yield how much waits in the journals in *folder* for how long, and what could not be logged."""
    waiting: list[tuple[float, int]] = []
    for path in folder.glob("*/*/*"):
        if path.stem.isdigit() and path.parent.name != SET_ASIDE:
            try:
                seen = path.stat()
            except FileNotFoundError:  # flushed meanwhile
                continue
            waiting.append((seen.st_mtime, seen.st_size))
    oldest = now - min((changed for changed, _ in waiting), default=now)
    total = sum(count for _, count in waiting)
    found = f"{size(total)} wait in {len(waiting)} segments, the oldest for {duration(oldest)}"
    if oldest > OLD_SECONDS or total > MANY_BYTES:
        remedy = "the model server flushes them: see what its log says, or start it with `regrow up server`"
        yield Diagnosis("journals", "wrong", found, remedy)
    else:
        yield Diagnosis("journals", "well", found if waiting else "nothing waits")
    for damaged in sorted(folder.glob(f"*/{SET_ASIDE}")):
        if any(damaged.iterdir()):
            yield Diagnosis(
                "journals",
                "wrong",
                f"rows of {damaged.parent.name} could not be logged; they are kept in {damaged}",
                "look at the notes there, then move the files away",
            )
