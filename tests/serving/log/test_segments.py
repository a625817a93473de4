"""What stands in a segment is read back, and what a disk has done to it is known."""

import tempfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regrow.base.errors import StateError
from regrow.serving.log.segments import header_line, read_segment, sealed

HOUR = {"hour": "double"}
LINES = [orjson.dumps({"row": number}) for number in range(3)]
SEALED = header_line(HOUR) + b"".join(map(sealed, LINES))
UNSEALED = b'{"columns":{"hour":"double"}}\n' + b"".join(line + b"\n" for line in LINES)


@pytest.fixture
def read(tmp_path: Path):
    """Read what a segment holds whose bytes are *content*."""

    def of(content: Any):
        path = tmp_path / "000000000001.jsonl"
        path.write_bytes(content)
        return read_segment(path)

    return of


@pytest.mark.parametrize("content", [SEALED, UNSEALED])
def test_segments_of_today_and_of_the_version_before_are_read(read: Any, content: Any):
    """With checksums or without: the columns, and each row with the number of its line."""
    found = read(content)
    assert (found.columns, found.damage) == (HOUR, {})
    assert dict(zip(found.places, found.rows, strict=True)) == {2: {"row": 0}, 3: {"row": 1}, 4: {"row": 2}}


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_a_changed_byte_never_passes_for_a_row(place: Any, change: Any):
    """Whatever single byte changes, no row is read that was not written, and what is lost is called damaged."""
    content = bytearray(SEALED)
    content[place] ^= change
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "000000000001.jsonl"
        path.write_bytes(content)
        found = read_segment(path)
    assert all(orjson.dumps(row) in LINES for row in found.rows)
    torn = (
        place == len(SEALED) - 1
    )  # Without its end the last line counts as one that was never acknowledged.
    assert found.damage or torn
    assert found.columns in (HOUR, {})


@example(b"17\n", b'{"columns":{"hour":"double"}}\n')
@example(b'{"hour":17}\n', b"")
@example(b"\n", b"")
@given(st.binary(max_size=80), st.sampled_from([b"", UNSEALED, SEALED]))
def test_any_bytes_are_read_or_called_damaged(content: Any, header: Any):
    """A disk may leave anything in a segment: it is read as far as it goes, and never raises."""
    with tempfile.TemporaryDirectory() as folder:
        segment = Path(folder) / "000000000001.jsonl"
        segment.write_bytes(header + content)
        found = read_segment(segment)
    assert all(isinstance(row, dict) for row in found.rows)
    lines = (header + content).count(b"\n")
    assert found.damage or not lines or len(found.rows) == lines - 1
    assert len(found.places) == len(found.rows)


def test_a_damaged_header_leaves_no_row_without_its_columns(read: Any):
    """Rows whose columns are not known are damaged, each of them."""
    found = read(SEALED[1:])
    assert (found.rows, set(found.damage)) == ([], {1, 2, 3, 4})


def test_what_the_disk_has_lost_is_no_torn_end(read: Any):
    """Zeros at the end are what a power cut leaves of rows that were written; a torn end of text is nothing."""
    assert read(SEALED + LINES[0][:4]).damage == {}
    assert set(read(SEALED + bytes(9)).damage) == {5}


def test_a_segment_of_a_newer_regrow_is_left_to_it(read: Any):
    """After a step back to this version the rows of the newer one are neither read wrongly nor set aside."""
    with pytest.raises(StateError, match=r"000000000001.*format 3.*start that version"):
        read(sealed(b'{"format":3,"columns":{}}') + sealed(b"?"))
