"""The workers of one server: each has a small file, gone with its process, that tells the others what it serves."""

import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from regrow.base.errors import StateError
from regrow.data.files import make_locked_folder, take_over, was_never_locked, write_whole

LOG = logging.getLogger("regrow.serving")
INTERVAL = 0.25
SILENT_SECONDS = 15.0
"""A worker that has published nothing for so long is not well; a model that loads may hold it up for seconds."""


class Roster:
    """A worker's entry among those of its server, in *folder*, of which there should be *expected*."""

    def __init__(self, folder: Path, expected: int = 1) -> None:
        self.expected = expected
        self._folder = folder
        self.pid = os.getpid()
        self._name = f"{self.pid}.{uuid.uuid4().hex[:8]}"
        self._lock = make_locked_folder(folder, self._name)

    def publish(self, entry: dict[str, Any]) -> None:
        """Let the other workers read *entry*; raises `StateError` if the disk does not take it."""
        content = orjson.dumps(entry | {"at": time.monotonic()})
        write_whole(self._folder / self._name / "entry.json", content, flush=False)

    def others(self) -> list[dict[str, Any]]:
        """Read what the other workers published last; the folders of dead ones are removed."""
        entries = []
        for path in sorted(self._folder.glob("*/")):
            if path.name == self._name or path.name.startswith("."):
                continue
            if (lock := take_over(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)
                mark_dead(int(path.name.partition(".")[0]))
            else:
                # A worker that has just come has published nothing yet; one that leaves takes its entry with it.
                with suppress(FileNotFoundError):
                    entries.append(orjson.loads((path / "entry.json").read_bytes()))
        return entries

    def leave(self) -> None:
        """Remove this worker's entry."""
        shutil.rmtree(self._folder / self._name, ignore_errors=True)
        os.close(self._lock)


class Pulse(threading.Thread):
    """The thread that publishes what a worker serves, several times a second."""

    def __init__(self, roster: Roster, entry: Callable[[], dict[str, Any]]) -> None:
        super().__init__(name="pulse", daemon=True)
        self._roster = roster
        self._entry = entry
        self._stop_asked = threading.Event()
        self._iswell = True

    def run(self) -> None:
        """Publish every interval until asked to stop; if the disk is full, log that once and go on."""
        while not self._stop_asked.wait(INTERVAL):
            try:
                self._roster.publish(self._entry())
            except StateError as error:
                if self._iswell:
                    LOG.warning("the other workers cannot be told what this one serves: %s", error)
                self._iswell = False
            else:
                self._iswell = True

    def stop(self) -> None:
        """Stop, and leave the roster."""
        self._stop_asked.set()
        self.join()
        self._roster.leave()


def is_silent(entry: dict[str, Any]) -> bool:
    """Return whether the worker of *entry* lives but has published nothing for long, whatever the clock does."""
    return time.monotonic() - entry["at"] > SILENT_SECONDS


def open_server(home: Path) -> tuple[Path, int]:
    """Make the folder of a new server's workers under *home*; return it and its lock; remove those of dead servers."""
    folder = home / "workers"
    for path in folder.glob("*/"):
        if was_never_locked(path):
            shutil.rmtree(path, ignore_errors=True)
        elif not path.name.startswith(".") and (lock := take_over(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
    name = f"{os.getpid()}.{uuid.uuid4().hex[:8]}"
    return folder / name, make_locked_folder(folder, name)


def mark_dead(pid: int) -> None:
    """Take the gauges of the dead worker *pid* out of the common metrics; its counts stay."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid)
