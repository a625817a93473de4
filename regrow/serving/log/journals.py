"""The journals of one worker of the model server, and the thread that closes their segments for the flusher."""

import logging
import threading
import time
from contextlib import suppress
from pathlib import Path

from regrow.serving.log.flush import writers
from regrow.serving.log.flusher_process import NEVER, FlusherProcess
from regrow.serving.log.journal import Journal
from regrow.serving.log.segments import segments
from regrow.serving.log.set_aside import SetAside, list_set_aside
from regrow.serving.log.tables import TO_PREDICTIONS, Destination

LOG = logging.getLogger("regrow.serving")
ADOPT_EVERY = 60.0
"""Seconds between two tries to flush what dead processes left, while this one has no journal."""
LOOK = 0.05
"""Seconds between two looks whether all is flushed, at the end."""


class Journals(threading.Thread):
    """The journals of this process under *folder*; its thread closes their segments and sees that a flusher runs."""

    def __init__(
        self, folder: Path, interval: float = 1.0, patience: float = 20.0, synced: bool = False
    ) -> None:
        super().__init__(name="journals", daemon=True)
        self.error: str | None = None
        """What keeps rows in the journals, this process's or those that dead ones left."""
        self.set_aside: dict[str, SetAside] = {}
        """What of each model could not be logged, since whenever."""
        self._folder = folder
        self._interval = interval
        self._patience = patience
        """Seconds that the last flush may take."""
        self._synced = synced
        """Whether appends to the journals wait for the disk."""
        self._journals: dict[tuple[str, Destination], Journal] = {}
        self._flusher = FlusherProcess(folder)
        self._stop_asked = threading.Event()

    @property
    def rows(self) -> int:
        """Rows flushed so far, of all processes."""
        return self._flusher.note.get("rows", 0)

    @property
    def last(self) -> float | None:
        """When the flusher has ended its last round; seconds since 1970."""
        return self._flusher.note.get("last")

    def journal(self, model: str, destination: Destination = TO_PREDICTIONS) -> Journal:
        """Return the journal of *model* for this *destination*, opening it at first use."""
        if (model, destination) not in self._journals:
            path = self._folder / model
            self._journals[model, destination] = Journal(path, destination.prefix, synced=self._synced)
        return self._journals[model, destination]

    def run(self) -> None:
        """Look after the journals every interval until asked to stop."""
        while not self._stop_asked.is_set():
            self.look_after()
            self._stop_asked.wait(self._interval)

    def look_after(self) -> None:
        """Close the segments of each journal, and see that a flusher runs if there is something to flush."""
        failed = self.rotate()
        is_needed = bool(self._journals or writers(self._folder))
        self._flusher.look(0.0 if self._journals else ADOPT_EVERY if is_needed else NEVER)
        if is_needed:
            failed += [self._flusher.problem, self._flusher.note.get("error")]
        self.error = "; ".join(filter(None, failed)) or None
        self.set_aside = list_set_aside(self._folder)

    def rotate(self) -> list[str | None]:
        """Close the segments of each journal and call the flusher; return what is wrong with those that fail."""
        closed, failed = False, list[str | None]()
        for journal in tuple(self._journals.values()):
            try:
                closed |= journal.rotate()
            except OSError as error:
                failed.append(f"{journal.path}: cannot be closed ({error.strerror or error})")
        if closed:
            self._flusher.call()
        return failed

    def finish(self) -> None:
        """Stop the thread and wait until all is flushed; what cannot be flushed now is flushed by the next start."""
        self._stop_asked.set()
        if self.is_alive():
            self.join()
        for journal in self._journals.values():
            try:
                journal.release()
            except OSError as error:
                LOG.warning("%s: cannot be closed (%s)", journal.path, error.strerror or error)
        self._await_flush()
        if left := self._waiting():
            self._flusher.end()
        for path in left:
            LOG.warning("%s: rows stay in %s until the next start", path.parent.name, path)

    def waiting_bytes(self) -> int:
        """Count the bytes that wait in this process's journals."""
        waiting = 0
        for journal in tuple(self._journals.values()):
            for segment in segments(journal.path):
                with suppress(FileNotFoundError):  # flushed and removed meanwhile
                    waiting += segment.stat().st_size
        return waiting

    def _await_flush(self) -> None:
        """Wait until all that is released, and what dead processes left, was flushed, or could not be in one round."""
        released = time.monotonic()
        self._flusher.look(NEVER)
        self._flusher.call()
        before = self._flusher.note
        while writers(self._folder) and time.monotonic() < released + self._patience:
            self._flusher.look()
            if self._flusher.note is not before and self._flusher.note.get("begun", 0.0) > released:
                break
            time.sleep(LOOK)

    def _waiting(self) -> list[Path]:
        """List the folders of this process's journals that are still there."""
        return [journal.path for journal in self._journals.values() if journal.path.is_dir()]
