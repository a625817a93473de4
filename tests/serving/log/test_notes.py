"""What a process notes in its lock file."""

import os
from pathlib import Path

from regrow.serving.log.notes import read_note, write_note


def test_the_last_note_is_read(tmp_path: Path):
    """Also if it is shorter than the one before; a file without a note, or none, notes nothing."""
    file = tmp_path / "lock"
    assert read_note(file) == {}
    with file.open("wb") as stream:
        assert read_note(file) == {}
        for note in ({"error": "the disk is full\n"}, {"rows": 7}):
            write_note(stream.fileno(), note)
            assert read_note(file) == note


def test_a_note_that_is_half_written_is_none(tmp_path: Path):
    """Its checksum differs: the reader keeps what it read before."""
    file = tmp_path / "lock"
    with file.open("wb") as stream:
        write_note(stream.fileno(), {"closed": 99})
        os.pwrite(stream.fileno(), b"1", file.read_bytes().index(b"99"))
    assert read_note(file) == {}
