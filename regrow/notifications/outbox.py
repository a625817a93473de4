"""What waits to be sent: one JSON file for each event and target, then one for each message.

`STATE/notifications/queue/` holds events that were told and not yet put into a message, `messages/` those that were
not yet delivered, `later/` events of which Prefect is to be told once it answers, `known/` the ids of events that were
told before, so that a run that is retried tells nothing twice.
Each file is on the disk before anything goes on, and is removed after.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from regrow.data.files import flush_to_disk, remove_partials, state_errors, write_whole
from regrow.notifications.event import Event
from regrow.notifications.grouping import Message, Queued, Silence
from regrow.project import Target

FOLDER = "notifications"
KEEP = 30 * 86_400.0
"""Seconds after which a told event is forgotten, and a message that nobody takes is given up."""
SUFFIX = ".json"
logger = logging.getLogger("regrow.notifications")
Kept = TypeVar("Kept", bound=BaseModel)


class Silences(BaseModel):
    """What was told to whom, and when, by target and topic."""

    model_config = ConfigDict(frozen=True)

    told: dict[str, Silence] = {}


class Outbox:
    """The folder of what waits to be sent, under the state folder *home*."""

    def __init__(self, home: Path) -> None:
        self.folder = home.absolute() / FOLDER
        self._queue, self._messages = self.folder / "queue", self.folder / "messages"
        self._later = self.folder / "later"
        self.seen = self.folder / "sender.seen"
        """The file that a living sender touches."""
        self._known, self._silences = self.folder / "known", self.folder / "told.json"

    def prepare(self) -> None:
        """Make the folders."""
        with state_errors(self.folder):
            for folder in (self._queue, self._messages, self._later, self._known):
                folder.mkdir(parents=True, exist_ok=True)

    def knows(self, event_id: UUID) -> bool:
        """Return whether the event was put in before."""
        return (self._known / str(event_id)).exists()

    def put(self, event: Event, targets: Iterable[Target]) -> None:
        """Keep *event* for each of *targets* until it is delivered; one that was put in before is not again.

        Raises `StateError` if the state folder cannot be written.
        """
        if self.knows(event.id):
            return
        self.prepare()
        for target in targets:
            queued = Queued(event=event, target=target)
            write_whole(self._queue / f"{event.id}~{target.key}{SUFFIX}", queued.model_dump_json().encode())
        with state_errors(self._known):
            (self._known / str(event.id)).touch()

    def put_off(self, event: Event) -> None:
        """Keep *event* until Prefect can be told of it. Raises `StateError` if the state folder cannot be written."""
        self.prepare()
        write_whole(self._later / f"{event.id}{SUFFIX}", event.model_dump_json().encode())

    def put_off_events(self) -> list[Event]:
        """Return the events that Prefect is still to be told of."""
        return list(self._read(self._later, Event))

    def forget_put_off(self, event: Event) -> None:
        """Forget that Prefect is to be told of *event*: it was."""
        with state_errors(self._later):
            (self._later / f"{event.id}{SUFFIX}").unlink(missing_ok=True)

    def queued(self) -> list[Queued]:
        """Return the events that are in no message yet, oldest first."""
        packed = {(event.id, each.target.key) for each in self.messages() for event in each.events}
        waiting = self._read(self._queue, Queued)
        loose = [each for each in waiting if (each.event.id, each.target.key) not in packed]
        return sorted(loose, key=lambda each: each.event.at)

    def messages(self) -> list[Message]:
        """Return the messages that are not delivered yet, oldest first."""
        return sorted(self._read(self._messages, Message), key=lambda each: each.at)

    def waiting(self) -> tuple[int, float]:
        """Return how many files wait to be sent, and the age of the oldest in seconds; 0 if none does."""
        files = [path for folder in (self._queue, self._messages) for path in folder.glob(f"*{SUFFIX}")]
        written = [_changed(path) for path in files]
        return len(files), max(time.time() - min(written), 0.0) if written else 0.0

    def silences(self) -> dict[str, Silence]:
        """Return what was told, by target and topic."""
        try:
            return Silences.model_validate_json(self._silences.read_bytes()).told
        except (FileNotFoundError, ValidationError):
            return {}

    def pack(self, messages: Iterable[Message], used: Iterable[Queued], silences: dict[str, Silence]) -> None:
        """Put *messages* in the place of the events that are *used*; killed in between, it is done again.

        A message is named by its events, so done again it is the same one.
        """
        for message in messages:
            write_whole(self._messages / f"{message.id}{SUFFIX}", message.model_dump_json().encode())
        write_whole(self._silences, Silences(told=silences).model_dump_json().encode())
        packed = [(event, each.target) for each in self.messages() for event in each.events]
        with state_errors(self._queue):
            for event, target in [*((each.event, each.target) for each in used), *packed]:
                (self._queue / f"{event.id}~{target.key}{SUFFIX}").unlink(missing_ok=True)

    def remove(self, message: Message) -> None:
        """Forget *message*: it was delivered, or is given up."""
        with state_errors(self._messages):
            (self._messages / f"{message.id}{SUFFIX}").unlink(missing_ok=True)
            flush_to_disk(self._messages)

    def tidy(self) -> None:
        """Forget events that were told long ago, and files that a process left half-written."""
        remove_partials(self.folder)
        for path in self._known.iterdir():
            if time.time() - _changed(path) > KEEP:
                path.unlink(missing_ok=True)

    def _read(self, folder: Path, kind: type[Kept]) -> Iterator[Kept]:
        """Read the files of *folder*; one that is none of ours is set aside, so that the others go on."""
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                yield kind.model_validate_json(path.read_bytes())
            except FileNotFoundError:
                continue
            except (ValidationError, OSError) as error:
                logger.warning("%s cannot be read and is set aside: %s", path, type(error).__name__)
                with state_errors(path):
                    path.rename(path.with_suffix(".unreadable"))


def _changed(path: Path) -> float:
    """Return when the file at *path* was changed last; now, if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
