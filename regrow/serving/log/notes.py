"""What a process notes in its lock file, for others to read while it lives: JSON behind its checksum.

It is written over in place, which takes no room on the disk, so that a full one does not stop it.
"""

import os
from pathlib import Path
from typing import Any

import orjson

from regrow.serving.log.segments import read_line, sealed


def write_note(handle: int, note: dict[str, Any]) -> None:
    """Write *note* over the one before in the open file *handle*; raises `OSError` if the disk does not take it."""
    os.pwrite(handle, sealed(orjson.dumps(note)), 0)


def read_note(file: Path) -> dict[str, Any]:
    """Return what is noted in *file*; nothing without a note, or with one that is being written at this moment."""
    try:
        line, *_ = file.read_bytes().split(b"\n", 1)
    except OSError:
        return {}
    note = read_line(line)
    return note if isinstance(note, dict) else {}
