"""One at a time: what copies the whole state, and what removes files from it.

A copy that is made while files are removed lacks some of them. So `regrow backup`, the flow `tidy` (`regrow prune`) and
`regrow forget` hold one lock on the state folder, and the model server compacts no table while another one does.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from regrow.base.errors import Busy
from regrow.base.places import Place
from regrow.base.settings import Settings
from regrow.data.files import locked_file, state_errors
from regrow.data.stores import check_stores

LOCK = "upkeep.lock"
PATIENCE = 600.0
"""Seconds that one waits for another."""
PAUSE = 0.5
logger = logging.getLogger("regrow.data")


@contextmanager
def upkeep(
    settings: Settings,
    what: str,
    needed: bool = True,
    patience: float | None = None,
    report: Callable[[str], None] = logger.warning,
) -> Iterator[None]:
    """Let *what*, a command or a flow, be alone with the files of the state until the end of the block.

    If another one holds them, *report* is told, and it is waited for *patience* seconds (default: `PATIENCE`). If it is
    not *needed*, as for a dry run, nothing is held. A process that dies holds nothing. Raises `Busy` naming who holds
    them and what to do, `StoreAway` if a folder of the store is away.
    """
    if not needed:
        yield
        return
    until, told = time.monotonic() + (PATIENCE if patience is None else patience), False
    while True:
        with _held(settings, what) as is_ours:
            if is_ours:
                check_stores(settings)
                yield
                return
        holder = f"{_holder(settings)} holds the files of {settings.home.absolute()}"
        if time.monotonic() > until:
            raise Busy(
                f"{holder}, so {what} did nothing; wait for its end, or end that process, and try again"
            )
        if not told:
            report(f"{holder}; {what} waits for its end")
            told = True
        time.sleep(PAUSE)


@contextmanager
def upkeep_if_free(settings: Settings, what: str) -> Iterator[bool]:
    """Yield whether nobody holds the files of the state, and hold them for *what* until the end of the block if so."""
    with _held(settings, what) as is_ours:
        yield is_ours


def compaction_marker(journal: Path, table: Place) -> Path:
    """Return the file, in the folder *journal*, that whoever compacts *table* locks: two at once would collide."""
    return journal / f"{table.parent.name}-{table.name}.compacting"


@contextmanager
def _held(settings: Settings, what: str) -> Iterator[bool]:
    """Yield whether the lock was free; whoever has it leaves there who it is."""
    file = _file(settings)
    with state_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    with locked_file(file) as is_ours:
        if is_ours:
            with state_errors(file):
                file.write_text(
                    f"{what} (process {os.getpid()} on {socket.gethostname()}, "
                    f"since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC)"
                )
        yield is_ours


def _holder(settings: Settings) -> str:
    """Return who holds the lock."""
    return _file(settings).read_text(errors="replace") or "another process"


def _file(settings: Settings) -> Path:
    return settings.home.absolute() / LOCK
