"""A person's rows are gone from everywhere, and everybody else's stay."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from regrow.base.errors import StateError
from regrow.data import erasure
from regrow.data.damaged_rows import Person
from regrow.data.delta import TIME
from regrow.data.erasure import (
    await_journal,
    drop_samples,
    erase_labels,
    erase_predictions,
    find_person,
    rewrite_snapshot,
)
from regrow.data.labels import append_labels, labels_path, read_labels
from regrow.data.predictions import append_predictions, predictions_path, read_predictions
from regrow.data.reference import sample_snapshot
from regrow.data.snapshots import write_snapshot

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADA, BOB = "ada's", "bob"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    return tmp_path


def log(*rows: tuple[str, str], number: int = 1) -> None:
    """Log predictions, each of an id and an entity."""
    table = {
        "prediction_id": [name for name, _ in rows],
        "entity_id": [entity for _, entity in rows],
        "event_time": pa.array([NOW] * len(rows), TIME),
        "served_at": pa.array([NOW] * len(rows), TIME),
        "version": pa.array([1] * len(rows), pa.int64()),
        "features": pa.StructArray.from_arrays([pa.array([float(len(e)) for _, e in rows])], ["size"]),
        "prediction": pa.array([[0.5]] * len(rows), pa.list_(pa.float64())),
    }
    append_predictions("m", pa.table(table), "test", number)


def tell(number: int, **names: object) -> None:
    frame = pd.DataFrame(
        {**{name: [value] for name, value in names.items()}, "label": [1], "labelled_at": [NOW]}
    )
    append_labels("m", frame, "test", number)


def holds(folder: Path, text: str) -> list[str]:
    """Return the Parquet files in *folder* that hold *text*."""
    return [
        path.name
        for path in folder.rglob("*.parquet")
        if "_delta_log" not in path.parts and text.encode() in path.read_bytes()
    ]


def test_predictions_and_labels_go_with_their_files(home: Path) -> None:
    """Labels by prediction, row, entity and moment go; old versions of the tables hold the rows no more."""
    log(("p1", ADA), ("p2", BOB))
    log(("p3", ADA), number=2)
    for number, names in enumerate(
        [
            {"prediction_id": "p1"}, {"prediction_id": "p2"}, {"entity_id": ADA}, {"entity_id": BOB},
            {"row_key": f"{ADA}@17"}, {"row_key": f"{BOB}@17"}, {"entity_id": ADA, "event_time": NOW},
        ]
    ):  # fmt: skip
        tell(number + 1, **names)
    assert (erase_labels("m", ADA, dry_run=True), erase_predictions("m", ADA, dry_run=True)) == (4, 2)
    assert holds(home, ADA)
    assert (erase_labels("m", ADA), erase_predictions("m", ADA)) == (4, 2)
    assert (erase_labels("m", ADA), erase_predictions("m", ADA)) == (0, 0)
    assert holds(home, ADA) == []
    assert read_predictions("m").rows["prediction_id"].tolist() == ["p2"]
    assert len(read_labels("m")) == 3
    log(("p4", BOB), number=3)
    assert len(read_predictions("m").rows) == 2
    assert predictions_path("m").is_dir() and labels_path("m").is_dir()
    assert erase_predictions("other", ADA) == erase_labels("other", ADA) == 0


def test_a_snapshot_leads_to_what_is_left_of_it(home: Path) -> None:
    """The old name still reads, without the person, under another digest; whom it does not hold changes nothing."""
    frame = pd.DataFrame({"who": [ADA, BOB, "eve", None], "size": [1.0, 2.0, 3.0, 4.0]})
    made = write_snapshot(frame)
    sample_snapshot(made, ["who"], 2)
    assert rewrite_snapshot(made.digest, ["who", "not there"], "nobody") is None
    assert rewrite_snapshot("unknown", ["who"], ADA) is None
    counted = rewrite_snapshot(made.digest, ["who"], ADA, dry_run=True)
    assert counted is not None
    assert (counted.rows, len(made.read())) == (1, 4)
    first = rewrite_snapshot(made.digest, ["who"], ADA)
    second = rewrite_snapshot(made.digest, ["who"], BOB)
    assert first is not None and second is not None
    assert first.after == second.before != second.after
    assert made.read()["size"].tolist() == [3.0, 4.0]
    assert drop_samples() == 1
    assert [path.stem for path in (home / "snapshots").glob("*.parquet")] == [second.after]
    assert ADA not in "".join(path.read_text() for path in (home / "erased").iterdir())


def test_numbers_name_people_too() -> None:
    """An id that is a number in the table is found by its digits."""
    made = write_snapshot(pd.DataFrame({"id": [7, 17], "size": [1.0, 2.0]}))
    assert rewrite_snapshot(made.digest, ["id"], "7") is not None
    assert made.read()["id"].tolist() == [17]


def test_rows_on_their_way_are_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is journaled would come into the tables after the erasure; if nobody writes it there, nothing is erased."""
    segment = home / "journal/m/writer/000000000001.jsonl"
    segment.parent.mkdir(parents=True)
    segment.write_text(json.dumps({"entity_id": ADA, "features": []}, separators=(",", ":")) + "\n")
    monkeypatch.setattr(erasure.time, "sleep", lambda _: segment.unlink())
    await_journal("m", Person(ADA), patience=5)
    segment.write_text(f'0a1b {{"prediction_id":"p","row_key":"{ADA}@17"}}\n')
    await_journal("m", Person(BOB), patience=0)
    with pytest.raises(StateError, match="nothing was erased: start the model server"):
        await_journal("m", Person(ADA), patience=-1)
    segment.write_text('{"prediction_id":"p1","label":1}\n')
    log(("p1", ADA), ("p2", BOB))
    await_journal("m", find_person("m", BOB), patience=0)
    with pytest.raises(StateError, match="nothing was erased"):
        await_journal("m", find_person("m", ADA), patience=-1)
