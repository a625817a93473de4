"""The prediction log."""

from collections.abc import Callable
from datetime import datetime

import pyarrow as pa

from regrow.data.predictions import (
    CHALLENGER,
    META,
    SHADOW,
    append_predictions,
    count_predictions,
    count_served,
    find_prediction,
    knows_row_keys,
    read_answers,
    read_predictions,
    read_row_names,
)

Rows = Callable[..., pa.Table]


def test_a_model_without_a_log_reads_as_no_rows() -> None:
    """Where nothing was served there is an empty frame with the log's own columns."""
    logged = read_predictions("demo")
    assert logged.rows.empty
    assert list(logged.rows) == list(META)
    assert logged.features.empty
    assert find_prediction("p0") is None


def test_time_bounds_a_read(rows: Rows) -> None:
    """The start is in, the end is out."""
    append_predictions("demo", rows(10), "writer")
    logged = read_predictions("demo", datetime(2026, 1, 1, 0, 2), datetime(2026, 1, 1, 0, 5))
    assert sorted(logged.rows["prediction_id"]) == ["p2", "p3", "p4"]
    assert logged.features["colour"].eq("red").all()
    assert len(logged.features) == 3


def test_what_monitors_never_sees_a_shadow(rollout_rows: pa.Table) -> None:
    """Reading, sampling, counting and finding leave out what no client got, unless it is asked for."""
    append_predictions("demo", rollout_rows, "writer")
    assert set(read_predictions("demo").rows["prediction_id"]) == {"p0", "p2"}
    assert set(read_predictions("demo", max_rows=2).rows["prediction_id"]) == {"p0", "p2"}
    assert count_predictions("demo") == count_served("demo") == 2
    assert find_prediction("p1") is None
    shadows = (SHADOW,)
    assert list(read_predictions("demo", roles=shadows).rows["prediction_id"]) == ["p1"]
    assert count_predictions("demo", roles=shadows) == 1
    found = find_prediction("p1", shadows)
    assert found is not None
    assert found["shadow_of"] == "p0"


def test_a_shadow_has_no_features_and_may_have_no_prediction(rollout_rows: pa.Table, rows: Rows) -> None:
    """A shadow that failed is a row of nulls beside its names; served rows keep what they have."""
    table = rollout_rows
    shadow = pa.array([False, True, False])
    features = table.column("features").combine_chunks()
    emptied = pa.StructArray.from_arrays(features.flatten(), features.type.names, mask=shadow)
    answers = pa.array([[0.5], None, [0.5]], pa.list_(pa.float64()))
    table = table.set_column(6, "features", emptied).set_column(7, "prediction", answers)
    append_predictions("demo", rows(1, 9), "writer", 1)
    append_predictions("demo", table, "writer", 2)
    shadows = read_predictions("demo", roles=(SHADOW,))
    assert shadows.rows["prediction"].isna().all()
    assert shadows.features["colour"].isna().all()
    assert len(shadows.features) == len(shadows.rows) == 1
    found = find_prediction("p1", (SHADOW,))
    assert found is not None
    assert found["features"] is None
    assert found["prediction"] is None
    assert read_predictions("demo").features["colour"].eq("red").all()


def test_rows_from_before_rollouts_are_a_champions(rollout_rows: pa.Table, rows: Rows) -> None:
    """A log without the new columns reads as the champion's, before and after rows with them join it."""
    append_predictions("demo", rows(5, 10), "writer", 1)
    assert count_predictions("demo") == count_served("demo") == 5
    assert count_predictions("demo", roles=(SHADOW,)) == 0
    assert read_predictions("demo").rows["role"].eq("champion").all()
    append_predictions("demo", rollout_rows, "writer", 2)
    assert count_predictions("demo") == 7
    assert count_predictions("demo", roles=(CHALLENGER,)) == 1
    found = find_prediction("p10")
    assert found is not None
    assert (found["role"], found["rollout"], found["seconds"]) == ("champion", None, None)


def test_a_log_of_any_version_tells_what_names_its_rows(rows: Rows) -> None:
    """Entity and time stand in every log, the row key in those from version 0.3 on; a log may hold both kinds."""
    assert read_row_names("demo").empty
    assert not knows_row_keys("demo")
    append_predictions("demo", rows(3), "old")
    assert not knows_row_keys("demo")
    assert read_row_names("demo")["row_key"].isna().all()
    append_predictions("demo", rows(2, 3).append_column("row_key", pa.array(["k3", "k4"])), "new")
    assert knows_row_keys("demo")
    found = read_row_names("demo", entities=["2", "3"]).sort_values("entity_id")
    assert found["entity_id"].tolist() == ["2", "3"]
    assert found["row_key"].tolist()[1] == "k3"


def test_a_log_of_before_the_hold_back_goes_on(rows: Rows) -> None:
    """Rows of before have null for whether they are held back; rows with a word of it join them, and all are read."""
    append_predictions("demo", rows(3), "old")
    assert read_predictions("demo").rows["held_back"].isna().all()
    assert read_answers("demo")["held_back"].isna().all()
    append_predictions("demo", rows(2, 3).append_column("held_back", pa.array([True, False])), "new")
    append_predictions("demo", rows(1, 5), "off")
    expected = {"p0": None, "p1": None, "p2": None, "p3": True, "p4": False, "p5": None}
    for found in (read_predictions("demo").rows, read_answers("demo")):
        assert found.set_index("prediction_id")["held_back"].to_dict() == expected
    assert (find_prediction("p3") or {})["held_back"] is True
