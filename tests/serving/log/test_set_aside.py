"""Segments that cannot be logged are kept, and counted, until somebody removes them."""

from pathlib import Path

import orjson
import pytest

from regrow.base.errors import StateError
from regrow.serving.log.set_aside import list_set_aside, set_aside


@pytest.fixture
def segment(tmp_path: Path):
    """Make a segment of one writer of `demo`."""
    path = tmp_path / "demo" / "0123" / "000000000007.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"what was written")
    return path


def test_the_segment_is_kept_whole_with_a_note(tmp_path: Path, segment: Path):
    """Its bytes are the same, and the note beside it names the line and what is wrong with it."""
    kept = set_aside(segment, {3: "its checksum differs", 9: "no JSON"})
    assert not segment.exists()
    assert kept == tmp_path / "demo" / "damaged" / "0123-000000000007.jsonl"
    assert kept.read_bytes() == b"what was written"
    note = orjson.loads(kept.with_suffix(".json").read_bytes())
    assert note == {"rows": 2, "lines": {"3": "its checksum differs", "9": "no JSON"}}


def test_it_is_told_until_it_is_moved_away(tmp_path: Path, segment: Path):
    """The count is that of the files, so that a restart forgets nothing and a clean-up is noticed."""
    assert list_set_aside(tmp_path) == {}
    kept = set_aside(segment, dict.fromkeys(range(2, 302), "its checksum differs"))
    found = list_set_aside(tmp_path)["demo"]
    assert (found.rows, found.reason, found.folder) == (300, "its checksum differs", kept.parent)
    assert str(kept.parent) in str(found)
    kept.with_suffix(".json").write_bytes(b"torn")
    assert list_set_aside(tmp_path)["demo"].rows == 1
    kept.unlink()
    assert list_set_aside(tmp_path) == {}


def test_without_room_for_the_note_the_segment_stays(segment: Path):
    """What cannot be set aside now is not lost: it stays where it is, for the next attempt."""
    (segment.parent.parent / "damaged").write_bytes(b"in the way")
    with pytest.raises(StateError, match="cannot be set aside"):
        set_aside(segment, {2: "no JSON"})
    assert segment.exists()
