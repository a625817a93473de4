"""A person's rows are gone from what was set aside as damaged, and everybody else's stay."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regrow.data.damaged_rows import Person, erase_damaged_files, erase_set_aside
from regrow.data.delta import TIME
from regrow.data.predictions import append_predictions, count_predictions, predictions_path

ADA, BOB = Person("ada's", frozenset({"p1"})), Person("bob")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the state in a folder of the test's own."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    return tmp_path


def put(home: Path, name: str, *lines: bytes) -> Path:
    """Write *lines* into the file *name* of the journal of the model `m`."""
    path = home / "journal/m" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(lines))
    return path


def test_lines_that_were_set_aside_go(home: Path) -> None:
    """A damaged segment keeps the lines of all others, byte for byte; labels go by the prediction that they name."""
    lines = [b'{"columns":{}}', b'{"entity_id":"ada\'s"}', b'0a1b2c3d {"prediction_id":"p1","label":1}']
    lines += [b'{"entity_id":"bob"}', b'0a1b2c3d {"prediction_id":"p11"}', b"\xff\r torn", b"\0\0"]
    for name in ("damaged/w-1.jsonl", "w/1.damaged"):
        path = put(home, name, *lines)
    assert erase_set_aside("m", ADA, dry_run=True).lines == 4
    assert (erase_set_aside("m", ADA).lines, erase_set_aside("m", ADA).lines) == (4, 0)
    assert path.read_bytes() == b"\n".join([lines[0], *lines[3:]])
    assert erase_set_aside("m", BOB).unclear == ()


def test_a_line_that_cannot_be_read_goes_if_it_shows_the_id(home: Path) -> None:
    """The id between quotes is theirs; the same letters within other text may be anybody's, so the file is named."""
    whole, partly, other = (
        b'00000000 {"enti#y_id":"ada\'s","x',
        b"00000000 {\xff ada's@17",
        b"00000000 {\xff bo",
    )
    path = put(home, "damaged/w-2.jsonl", b"{}", whole, partly, other)
    found = erase_set_aside("m", ADA)
    assert (found.lines, found.unclear) == (1, (path,))
    assert path.read_bytes() == b"\n".join([b"{}", partly, other])
    assert erase_set_aside("m", Person("bobby")).unclear == ()


def test_the_note_follows_the_lines(home: Path) -> None:
    """Its numbers and its count are of what is left, and no reason shows the id."""
    put(home, "damaged/w-3.jsonl", b"{}", b'{"entity_id":"ada\'s"}', b'{"entity_id":"bob"}', b"torn")
    note = put(home, "damaged/w-3.json")
    note.write_text(json.dumps({"rows": 3, "lines": {"2": "of ada's", "3": "like ada's", "4": "no JSON"}}))
    erase_set_aside("m", ADA)
    assert json.loads(note.read_text()) == {
        "rows": 2,
        "lines": {"2": "a row could not be logged", "3": "no JSON"},
    }


def log(name: str, entity: str, number: int) -> None:
    """Log one prediction."""
    table = {
        "prediction_id": [name],
        "entity_id": [entity],
        "event_time": pa.array([NOW], TIME),
        "served_at": pa.array([NOW], TIME),
        "version": pa.array([1], pa.int64()),
        "features": pa.StructArray.from_arrays([pa.array([1.0])], ["size"]),
        "prediction": pa.array([[0.5]], pa.list_(pa.float64())),
    }
    append_predictions("m", pa.table(table), "test", number)


def test_what_a_power_cut_left_of_a_table_goes(home: Path) -> None:
    """Commits that were set aside and show the id, torn checkpoints, and their data files go; the table's own stay."""
    log("p2", ADA.entity, 1)
    path = predictions_path("m")
    assert erase_damaged_files("m", ADA).lines == 0
    for name, entity in (("hers", ADA.entity), ("his", BOB.entity), ("young", ADA.entity)):
        pq.write_table(pa.table({"entity_id": [entity]}), path / f"{name}.parquet")
    (path / "torn.parquet").write_bytes(b"PAR1")
    kept = path / "_damaged"
    kept.mkdir()
    (kept / "1-00000000000000000002.json").write_text(json.dumps({"add": {"stats": ADA.entity}}))
    (kept / "1-00000000000000000003.json").write_text(json.dumps({"add": {"stats": BOB.entity}}))
    (kept / "1-00000000000000000002.checkpoint.parquet").write_bytes(b"PAR1")
    later = time.time() + 60
    os.utime(path / "young.parquet", (later, later))
    assert erase_damaged_files("m", ADA, dry_run=True).lines == 4
    assert (erase_damaged_files("m", ADA).lines, erase_damaged_files("m", ADA).lines) == (4, 0)
    assert [file.name for file in kept.iterdir()] == ["1-00000000000000000003.json"]
    assert sorted(file.name for file in path.glob("*.parquet")) == ["his.parquet", "young.parquet"]
    assert count_predictions("m") == 1
