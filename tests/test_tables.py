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


def rollout_rows():
    """One row that the challenger answered, with the champion's shadow; one that it could not answer."""
    return (
        rows(3)
        .append_column("role", pa.array(["challenger", "shadow", "champion"]))
        .append_column("fallback", pa.array([None, None, "timeout"]))
        .append_column("shadow_of", pa.array([None, "p0", None]))
        .append_column("stage", pa.array([1, 1, 1]))
    )


def test_what_monitors_never_sees_a_shadow():
    """Reading, sampling, counting and finding leave out what no client got, unless it is asked for."""
    predictions.append_predictions("demo", rollout_rows(), "writer")
    assert set(predictions.read_predictions("demo")["_prediction_id"]) == {"p0", "p2"}
    assert set(predictions.read_predictions("demo", max_rows=2)["_prediction_id"]) == {"p0", "p2"}
    assert predictions.count_predictions("demo") == 2
    assert predictions.find_prediction("p1") is None
    shadows = (predictions.SHADOW,)
    assert list(predictions.read_predictions("demo", roles=shadows)["_prediction_id"]) == ["p1"]
    assert predictions.count_predictions("demo", roles=shadows) == 1
    found = predictions.find_prediction("p1", shadows)
    assert found is not None
    assert found["shadow_of"] == "p0"


def test_a_shadow_has_no_features_and_may_have_no_prediction():
    """A shadow that failed is a row of nulls beside its names; served rows keep what they have."""
    table = rollout_rows()
    shadow = pa.array([False, True, False])
    features = table.column("features").combine_chunks()
    emptied = pa.StructArray.from_arrays(features.flatten(), features.type.names, mask=shadow)
    answers = pa.array([[0.5], None, [0.5]], pa.list_(pa.float64()))
    table = table.set_column(6, "features", emptied).set_column(7, "prediction", answers)
    predictions.append_predictions("demo", rows(1, 9), "writer", 1)
    predictions.append_predictions("demo", table, "writer", 2)
    frame = predictions.read_predictions("demo", roles=(predictions.SHADOW,))
    assert frame.loc[0, ["colour", "_prediction"]].isna().all()
    found = predictions.find_prediction("p1", (predictions.SHADOW,))
    assert found is not None
    assert found["features"] is None
    assert found["prediction"] is None
    assert predictions.read_predictions("demo")["colour"].eq("red").all()


def test_rows_from_before_rollouts_are_a_champions():
    """A log without the new columns reads as the champion's, before and after rows with them join it."""
    predictions.append_predictions("demo", rows(5, 10), "writer", 1)
    assert predictions.count_predictions("demo") == 5
    assert predictions.count_predictions("demo", roles=(predictions.SHADOW,)) == 0
    assert predictions.read_predictions("demo")["_role"].eq("champion").all()
    predictions.append_predictions("demo", rollout_rows(), "writer", 2)
    assert predictions.count_predictions("demo") == 7
    assert predictions.count_predictions("demo", roles=(predictions.CHALLENGER,)) == 1
    found = predictions.find_prediction("p10")
    assert found is not None
    assert (found["role"], found["rollout"], found["seconds"]) == ("champion", None, None)


def test_only_new_predictions_are_added():
    """Rows whose identifier is in the log are not appended again."""
    assert predictions.append_new_predictions("demo", rows(3)) == 3
    assert predictions.append_new_predictions("demo", rows(5)) == 2
    assert predictions.append_new_predictions("demo", rows(5)) == 0
    assert predictions.read_predictions("demo")["_prediction_id"].is_unique


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
