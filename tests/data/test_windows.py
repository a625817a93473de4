"""A window of the log is described, not copied, and read from there by whoever comes later."""

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from regrow.base.errors import SnapshotError
from regrow.data.delta import TIME, table_version
from regrow.data.labels import labels_path
from regrow.data.predictions import append_predictions, predictions_path
from regrow.data.snapshots import write_snapshot
from regrow.data.windows import LabelledRows, Window, digest_of, window_of

START = datetime(2026, 1, 1)
END = START + timedelta(days=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))


def log(count: int, first: int = 0) -> None:
    """Log a prediction a minute, *count* of them, the numbers from *first* on as feature `size`."""
    numbers = range(first, first + count)
    times = pa.array([START + timedelta(minutes=n) for n in numbers], TIME)
    rows = {
        "prediction_id": [f"p{n}" for n in numbers],
        "event_time": times,
        "served_at": times,
        "version": pa.array([1] * count, pa.int64()),
        "features": pa.StructArray.from_arrays([pa.array(numbers, pa.float64())], ["size"]),
        "prediction": pa.array([[0.5]] * count, pa.list_(pa.float64())),
    }
    append_predictions("m", pa.table(rows), "test", first + 1)


def described(max_rows: int = 1000) -> Window:
    window = window_of("m", START, END, max_rows)
    assert window is not None
    return window


def test_rows_that_come_later_are_not_in_the_window() -> None:
    """The same rows are read each time, also as a sample, although the log has grown meanwhile."""
    log(50)
    whole, sample = described(), described(20)
    log(50, first=50)
    assert sorted(whole.read().features["size"]) == list(range(50))
    assert (sample.rows, len(sample.read().rows)) == (20, 20)
    assert described().rows == 100
    assert window_of("m", END, END + timedelta(days=1), 10) is None
    assert window_of("other", START, END, 10) is None


def test_a_version_that_is_gone_is_read_from_the_newest_if_it_is_the_same(tmp_path: Path) -> None:
    """Compaction changes no row; rows that came since are told, with the remedy, and read only if that is asked for."""
    log(10)
    window = described().model_copy(update={"version": 99})
    assert len(window.read().rows) == 10
    log(5, first=10)
    with pytest.raises(SnapshotError, match=r"does not hold version 99 any more.*regrow monitor"):
        window.read()
    assert len(window.read(exact=False).rows) == 15
    shutil.rmtree(predictions_path("m"))


def test_only_raw_columns_on_both_sides_are_shared() -> None:
    """The target was never served and the log's own columns are no features: neither is compared."""
    log(3)
    reference = write_snapshot(pd.DataFrame({"version": [1.0], "size": [1.0], "late": [1]}))
    assert described().shared_features(reference) == ["size"]


def test_mlflow_learns_where_the_rows_stand() -> None:
    """The source names table, version and period; the digest names the rows in whatever order they come."""
    log(3)
    window = described()
    source = json.loads(window.source)
    assert (source["table"], source["version"], source["max_rows"]) == ("predictions/m", 0, 1000)
    assert source["start"].startswith("2026-01-01")
    assert digest_of(["a", "b"]) == digest_of(["b", "a"]) != digest_of(["a"])
    assert table_version(labels_path("m")) is None
    shared = window.model_dump(exclude={"max_rows"})
    judged = LabelledRows(**shared, labels=4, as_of=END, champion=2)
    assert json.loads(judged.source)["labels"] == 4
