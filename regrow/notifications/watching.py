"""What a machine shows of itself: its disk, and the parts that end."""

import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from regrow.notifications.event import MEANINGS, Event, Figure, event_id
from regrow.project import Kind

LEAST_SHARE, LEAST_BYTES = 0.1, 5 * 2**30
"""A disk is nearly full if less than this share, and less than so many bytes, are free."""


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
