"""What a machine shows of itself: its disk, the keys of its model server, and the parts that end."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from regrow.base.errors import ServingError
from regrow.base.settings import Settings
from regrow.data.key_entries import Entry, entries_of_file, entries_of_variable
from regrow.notifications.event import MEANINGS, Event, Figure, event_id
from regrow.project import Kind

LEAST_SHARE, LEAST_BYTES = 0.1, 5 * 2**30
"""A disk is nearly full if less than this share, and less than so many bytes, are free."""

TOLD_DAYS = 28
"""Days for which a key that has expired is looked at: its event is remembered a little longer, and is told once."""


def watch_disk(home: Path, now: datetime | None = None) -> Iterator[Event]:
    """Yield the event that the disk of *home* is nearly full: one a day."""
    usage, moment = shutil.disk_usage(home), now or datetime.now(UTC)
    if usage.free >= min(LEAST_SHARE * usage.total, LEAST_BYTES):
        return
    yield Event(
        id=event_id("disk.nearly-full", None, f"{home}/{moment:%Y-%m-%d}"),
        kind="disk.nearly-full",
        severity="error",
        at=moment,
        model=None,
        about=str(home),
        reason="no prediction is logged and no model is trained on a full disk; make room, or move the state folder",
        figures={"free GB": round(usage.free / 2**30, 2), "size GB": round(usage.total / 2**30, 2)},
        cause=f"disk of {socket.gethostname()}",
    )


def watch_keys(settings: Settings, now: datetime | None = None) -> Iterator[Event]:
    """Yield for each key of the model server that has expired, and still stands among the keys, its event: one a key.

    A file that is no file of keys is told by the server's `/health`.
    """
    moment = now or datetime.now(UTC)
    for entry in _entries(settings):
        if entry.expires is None or not 0 <= (moment.date() - entry.expires).days <= TOLD_DAYS:
            continue
        digest, models = entry.digest.decode(), ", ".join(sorted(entry.models or {"all models"}))
        yield Event(
            id=event_id("key.expired", None, f"{digest}/{entry.expires}"),
            kind="key.expired",
            severity=MEANINGS["key.expired"].severity,
            at=moment,
            model=None,
            about=f"the key {digest[:8]}… ({', '.join(sorted(entry.roles))}; {models})",
            reason=f"the model server refuses it since {entry.expires}, 00:00 UTC, with a 401; if it is used, make "
            "another one by `regrow key`, and take this one out of the keys",
            cause=f"keys of {socket.gethostname()}",
        )


def _entries(settings: Settings) -> list[Entry]:
    """Return the keys that *settings* name, as far as they can be read."""
    found = list[Entry]()
    with suppress(ServingError):
        found += entries_of_variable(settings)
    with suppress(ServingError):
        found += entries_of_file(settings.api_keys_file) if settings.api_keys_file else []
    return found


def part_event(
    name: str, *, down: bool, restarts: int, failures: int, last_end: str, now: datetime | None = None
) -> Event:
    """Return the event that the part called *name* was started again, or is *down*: it does not start."""
    moment = now or datetime.now(UTC)
    kind: Kind = "part.down" if down else "part.restarted"
    figures: dict[str, Figure] = {"failed starts in a row": failures} if down else {"restarts": restarts}
    return Event(
        id=event_id(kind, None, f"{name}/{moment.isoformat()}"),
        kind=kind,
        severity=MEANINGS[kind].severity,
        at=moment,
        model=None,
        about=name,
        reason=last_end,
        figures=figures,
        cause=f"{name} on {socket.gethostname()}",
    )
