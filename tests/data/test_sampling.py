"""Samples of the prediction log."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from regrow.data.delta import append, compact, open_table
from regrow.data.predictions import append_predictions, predictions_path, read_predictions
from regrow.data.sampling import TIER

Rows = Callable[..., pa.Table]


def sampled(model: str, max_rows: int) -> set[str]:
    """Return the identifiers of a sample, and check that it is one."""
    frame = read_predictions(model, max_rows=max_rows).rows
    assert len(frame) == max_rows
    assert frame["prediction_id"].is_unique
    return set(frame["prediction_id"])


@pytest.mark.parametrize("max_rows", [1, 5, 60, 900, 2500])
def test_a_sample_depends_on_nothing_but_the_rows(max_rows: int, rows: Rows) -> None:
    """The same rows come from whichever tiers: after compaction, in another order, from a log without tiers."""
    for number in (1, 2, 3):
        append_predictions("demo", rows(1000, 1000 * number), "writer", number)
    append_predictions("turned", rows(3000, 1000).take(list(range(2999, -1, -1))), "writer")
    append(predictions_path("old"), rows(2000, 1000), "writer", 1)
    append_predictions("old", rows(1000, 3000), "writer", 2)
    first = sampled("demo", max_rows)
    compact(predictions_path("demo"))
    assert [sampled(model, max_rows) for model in ("demo", "turned", "old")] == [first] * 3


def test_a_log_from_before_keeps_its_arrangement(rows: Rows) -> None:
    """A new log is partitioned by tiers; one that is not goes on without them, and loses no row."""
    append(predictions_path("old"), rows(3), "writer", 1)
    append_predictions("old", rows(3, 3), "writer", 2)
    append_predictions("new", rows(6), "writer", 1)
    old, new = (open_table(predictions_path(model)) for model in ("old", "new"))
    assert old is not None
    assert new is not None
    assert TIER not in old.to_pyarrow_dataset().schema.names
    assert new.metadata().partition_columns == [TIER]
    assert set(read_predictions("old").rows["prediction_id"]) == set(
        read_predictions("new").rows["prediction_id"]
    )


def test_a_small_sample_reads_few_files(rows: Rows) -> None:
    """Of many rows a few are drawn from the highest tiers alone, and from the whole of the time."""
    append_predictions("demo", rows(20_000), "writer")
    folder = predictions_path("demo")
    for file in folder.glob(f"{TIER}=0/*.parquet"):
        file.unlink()
    frame = read_predictions("demo", max_rows=500).rows
    minutes = (frame["event_time"] - frame["event_time"].min()).dt.total_seconds() / 60
    assert len(frame) == 500
    assert abs(minutes.mean() - 10_000) < 5 * 20_000 / (12 * 500) ** 0.5
