"""The append-only tables."""

from datetime import datetime

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regrow.errors import DataError, StateError
from regrow.tables import delta, labels, predictions

START = pd.Timestamp("2026-01-01", tz="UTC")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    return tmp_path


def rows(count, first=0, **features):
    features = features or {"size": 1.0, "colour": "red"}
    times = pa.array([START + pd.Timedelta(minutes=first + i) for i in range(count)], delta.TIME)
    return pa.table(
        {
            "prediction_id": [f"p{first + i}" for i in range(count)],
            "entity_id": [str(first + i) for i in range(count)],
            "event_time": times,
            "served_at": times,
            "model": ["demo"] * count,
            "version": pa.array([1] * count, pa.int64()),
            "features": pa.array([features] * count),
            "prediction": pa.array([[0.25, 0.75]] * count, pa.list_(pa.float64())),
        }
    )


def test_a_model_without_a_log_reads_as_no_rows():
    """Where nothing was served there is an empty frame with the log's own columns, and no labels."""
    frame = predictions.read_predictions("demo")
    assert frame.empty
    assert list(frame) == [f"_{name}" for name in predictions.META]
    assert labels.read_labels("demo").empty
    assert predictions.find_prediction("p0") is None


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(1, 3), min_size=1, max_size=5))
def test_a_replayed_append_changes_nothing(order, tmp_path_factory):
    """However often and in whatever order numbers come again, a number below the last is never appended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGROW_HOME", str(tmp_path_factory.mktemp("home")))
        last = 0
        for number in order:
            assert predictions.append_predictions("demo", rows(1, number), "writer", number) == (
                number > last
            )
            last = max(last, number)
        assert predictions.read_predictions("demo")["_prediction_id"].is_unique


def test_time_bounds_a_read():
    """The start is in, the end is out."""
    predictions.append_predictions("demo", rows(10), "writer")
    frame = predictions.read_predictions("demo", datetime(2026, 1, 1, 0, 2), datetime(2026, 1, 1, 0, 5))
    assert sorted(frame["_prediction_id"]) == ["p2", "p3", "p4"]
    assert frame["colour"].eq("red").all()


def test_a_sample_is_the_same_each_time():
    """At most max_rows rows come, the same ones after the files were compacted."""
    for number in (1, 2, 3):
        predictions.append_predictions("demo", rows(100, 100 * number), "writer", number)
    first = set(predictions.read_predictions("demo", max_rows=50)["_prediction_id"])
    delta.compact(predictions.predictions_path("demo"))
    assert len(first) == 50
    assert first == set(predictions.read_predictions("demo", max_rows=50)["_prediction_id"])
    assert len(predictions.read_predictions("demo", max_rows=1000)) == 300


def test_features_may_come_and_change_their_type():
    """A new column is added; one of another type stands beside the old one; no row is lost."""
    predictions.append_predictions("demo", rows(1), "writer", 1)
    predictions.append_predictions("demo", rows(1, 1, size="large", weight=2.0), "writer", 2)
    frame = predictions.read_predictions("demo").set_index("_prediction_id")
    assert frame.loc["p0", "size"] == 1.0
    assert frame.loc["p1", "size__string"] == "large"
    assert frame.loc["p1", "weight"] == 2.0


def test_the_last_label_of_an_entity_wins():
    """A corrected label replaces the one before; text labels are kept as text."""
    truth = pd.DataFrame({"entity_id": [1, 1, 2], "label": [0, 1, 1], "labelled_at": [START] * 3})
    assert labels.append_labels("demo", truth, "first")
    assert not labels.append_labels("demo", truth, "first")
    labels.append_labels(
        "demo", truth.tail(1).assign(label="late", labelled_at=START + pd.Timedelta(1, "h")), "b"
    )
    assert dict(labels.read_labels("demo")[["entity_id", "label"]].to_numpy()) == {"1": 1.0, "2": "late"}


def test_labels_without_a_column_are_refused():
    """The message names the column."""
    with pytest.raises(DataError, match="labelled_at"):
        labels.append_labels("demo", pd.DataFrame({"entity_id": [1], "label": [1]}), "first")


def test_a_state_folder_that_cannot_be_written_says_so(home):
    """A file where the tables should be is a StateError that names the path."""
    (home / "tables").write_text("")
    with pytest.raises(StateError, match="tables"):
        predictions.append_predictions("demo", rows(1), "writer")
