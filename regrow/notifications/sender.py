"""Send what waits, one process at a time: tried again, later and later, until the receiver takes it."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from regrow.base.errors import NotDelivered
from regrow.base.reach import why_silent
from regrow.base.settings import load_settings
from regrow.data.files import locked_file
from regrow.notifications.emitting import emit_of_machine, tell_prefect
from regrow.notifications.grouping import Message, group
from regrow.notifications.outbox import KEEP, Outbox
from regrow.notifications.sending import send
from regrow.notifications.watching import watch_disk, watch_keys

PAUSE = 2.0
"""Seconds between two looks at what waits."""
FIRST_RETRY, LONGEST_RETRY = 5.0, 300.0
"""Seconds until a message is tried again: doubled each time, up to the longest."""
LOCK = "sender.lock"
CARE = 60.0
"""Seconds between two looks at the disk, at the keys, and at what Prefect was not told of."""
logger = logging.getLogger("regrow.notifications")


class Sender:
    """Makes messages of the events in *outbox* and hands them over by *deliver*."""

    def __init__(self, outbox: Outbox, deliver: Callable[[Message], None] = send) -> None:
        self.outbox = outbox
        self._deliver = deliver
        self._tries: dict[UUID, tuple[int, float]] = {}
        """How often a message failed, and when it is tried next, on the monotonic clock."""

    def work(self, now: datetime | None = None) -> int:
        """Group what waits at *now*, deliver what is due, and return how many messages were delivered."""
        moment = now or datetime.now(UTC)
        if queued := self.outbox.queued():
            grouped = group(queued, self.outbox.silences(), moment)
            if grouped.used:
                self.outbox.pack(grouped.messages, grouped.used, grouped.silences)
        return sum(self._try(message, moment) for message in self.outbox.messages())

    def _try(self, message: Message, now: datetime) -> bool:
        """Deliver *message* if it is due, and return whether it was."""
        failed, due = self._tries.get(message.id, (0, 0.0))
        if time.monotonic() < due:
            return False
        try:
            self._deliver(message)
        except NotDelivered as error:
            self._put_off(message, failed + 1, str(error), now)
            return False
        self._tries.pop(message.id, None)
        self.outbox.remove(message)
        return True

    def _put_off(self, message: Message, failed: int, why: str, now: datetime) -> None:
        """Try *message* again later, or give it up if it is too old."""
        if (now - message.at).total_seconds() > KEEP:
            logger.warning("message %s is given up after %d tries: %s", message.id, failed, why)
            self.outbox.remove(message)
            return
        pause = min(FIRST_RETRY * 2 ** min(failed - 1, 10), LONGEST_RETRY)
        self._tries[message.id] = failed, time.monotonic() + pause
        logger.warning("message %s is tried again in %.0f s: %s", message.id, pause, why)


def run(home: Path, stop: threading.Event, pause: float = PAUSE) -> None:
    """Send what waits under the state folder *home* until *stop* is set; of several processes one does it."""
    outbox = Outbox(home)
    while not stop.is_set():
        try:
            outbox.prepare()
            with locked_file(outbox.folder / LOCK) as is_ours:
                if is_ours:
                    _send_until(outbox, stop, pause)
        # The outermost edge of a thread that must not die of one message, or of a disk that is full for a while.
        except Exception:
            logger.exception("sending stopped, and begins again in a moment")
        stop.wait(max(pause, 1.0))


def tell_put_off(outbox: Outbox) -> None:
    """Emit the events that *outbox* keeps for Prefect, if it answers."""
    waiting = outbox.put_off_events()
    if not waiting or why_silent(f"{load_settings().prefect_api_url}/health", timeout=2):
        return
    for event in waiting:
        tell_prefect(event)
        outbox.forget_put_off(event)


def start(home: Path) -> threading.Event:
    """Start a thread that sends what waits under *home*; set what is returned to end it."""
    stop = threading.Event()
    threading.Thread(target=run, args=(home, stop), name="notifications", daemon=True).start()
    return stop


def _send_until(outbox: Outbox, stop: threading.Event, pause: float) -> None:
    """Send, and look after the disk and the keys, until *stop* is set."""
    sender, cared = Sender(outbox), -CARE
    while not stop.is_set():
        if time.monotonic() - cared >= CARE:
            cared = time.monotonic()
            outbox.tidy()
            for found in (*watch_disk(outbox.folder.parent), *watch_keys(load_settings())):
                emit_of_machine(found)
            tell_put_off(outbox)
        outbox.seen.touch()
        sender.work()
        stop.wait(pause)
