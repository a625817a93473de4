"""The log of the commands: what libraries print, warn of and log while a command works."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from rich.console import Console

from regrow.base.settings import load_settings

LIMIT = 2_000_000
"""Bytes after which the log becomes `commands.previous.log` before the next command begins."""


def log_path() -> Path:
    """Return the path of the log, under the state folder."""
    return load_settings().home.absolute() / "logs" / "commands.log"


def append(text: str) -> None:
    """Write *text* at the end of the log."""
    with _open() as log:
        log.write(text)


@contextmanager
def quiet(doing: str) -> Iterator[None]:
    """Send all that is written to standard output and error meanwhile to the log; a terminal shows *doing*.

    Also what native code and child processes write. Raises `StateError` if the state folder cannot be written.
    """
    from regrow.services.ownership import prepare_home

    prepare_home(load_settings().home.absolute())
    log = (
        _open()
    )  # Not closed: log handlers that libraries make meanwhile write to it until the process ends.
    log.write(f"\n{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {' '.join(sys.argv)}\n")
    with ExitStack() as stack:
        if sys.stderr.isatty():
            stack.enter_context(_spinner(doing))
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            if number_of(stream) == number:
                stream.flush()
                stack.enter_context(_redirected(number, log))
        stack.enter_context(redirect_stdout(log))
        stack.enter_context(redirect_stderr(log))
        yield


def _open() -> TextIO:
    """Open the log to append to it; one that has grown too long is put aside first."""
    path = log_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LIMIT:
        path.replace(path.with_suffix(".previous.log"))
    return path.open("a", encoding="utf-8", errors="replace", buffering=1)


@contextmanager
def _spinner(doing: str) -> Iterator[None]:
    """Show *doing* on the terminal by a file descriptor of its own."""
    with (
        os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal,
        Console(file=terminal).status(f"{doing} …"),
    ):
        yield


@contextmanager
def _redirected(number: int, log: TextIO) -> Iterator[None]:
    """Point the file descriptor *number* at *log* meanwhile."""
    kept = os.dup(number)
    os.dup2(log.fileno(), number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)


def number_of(stream: TextIO) -> int | None:
    """Return the file descriptor of *stream*, or None if it has none."""
    try:
        return stream.fileno()
    except OSError:  # io.UnsupportedOperation: a stream in memory
        return None
