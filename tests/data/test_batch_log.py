"""Batch predictions in the prediction log."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from regrow.data.batch_log import BatchLog
from regrow.data.delta import TIME
from regrow.data.predictions import append_predictions, read_predictions

AT = datetime(2026, 1, 1, tzinfo=UTC)


def rows(*numbers: int, version: int = 1) -> pa.Table:
    """Make the predictions of rows with these *numbers*."""
    return pa.table(
        {
            "prediction_id": [f"{number:032x}" for number in numbers],
            "row_key": [str(number) for number in numbers],
            "event_time": pa.array([AT.replace(day=1 + number) for number in numbers], TIME),
            "model": ["m"] * len(numbers),
            "version": [version] * len(numbers),
            "prediction": [[0.5]] * len(numbers),
        }
    )


def missing(log: BatchLog, table: pa.Table) -> list[bool]:
    """Return which rows of *table* the *log* lacks."""
    times = table.column("event_time").to_pandas()
    return log.missing(table.column("prediction_id").combine_chunks(), times, None).tolist()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))


def test_a_row_is_known_by_version_and_period() -> None:
    """The log of a period knows the version's own rows of the period, and counts those that do not come up."""
    assert BatchLog("m", 1, None, None, dated=True).add(rows(1, 2, 9)) == 3
    log = BatchLog("m", 1, AT, datetime(2026, 1, 5, tzinfo=UTC), dated=True)
    assert missing(log, rows(2, 3)) == [False, True]
    assert log.gone == 1
    assert missing(BatchLog("m", 2, None, None, dated=True), rows(1, version=2)) == [True]


def test_two_writers_at_once_add_a_row_once() -> None:
    """A writer that another one overtook compares again and adds the rest."""
    first, second = (BatchLog("m", 1, None, None, dated=True) for _ in range(2))
    assert first.add(rows(1, 2)) == 2
    assert second.add(rows(2, 3)) == 1
    assert sorted(read_predictions("m").rows["row_key"]) == ["1", "2", "3"]


def test_served_rows_are_no_batch() -> None:
    """A row that the server answered does not count as gone."""
    served = rows(1).append_column("seconds", pa.array([0.1]))
    append_predictions("m", served, "server")
    assert BatchLog("m", 1, None, None, dated=True).gone == 0
