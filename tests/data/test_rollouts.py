"""The evidence of a rollout."""

from collections.abc import Callable

import pandas as pd
import pyarrow as pa

from regrow.data.predictions import append_predictions
from regrow.data.rollouts import EVIDENCE, pair_predictions, read_rollout

Rows = Callable[..., pa.Table]


def evidence(*rows: tuple[str, str, str | None, float | None]) -> pd.DataFrame:
    """Make evidence of `prediction_id`, `role`, `shadow_of` and a score, None where the shadow failed."""
    frame = pd.DataFrame(rows, columns=["prediction_id", "role", "shadow_of", "score"])
    prediction = pd.Series([None if pd.isna(score) else [score] for score in frame["score"]], dtype=object)
    return frame.assign(
        entity_id="e",
        request_id=None,
        event_time=pd.Timestamp(0),
        served_at=pd.Timestamp(0),
        stage=1,
        fallback=None,
        prediction=prediction,
    )


def test_a_rollouts_rows_are_read_without_features(rollout_rows: pa.Table, rows: Rows) -> None:
    """Answers, fallbacks and shadows of that rollout come, none of another, none from before."""
    append_predictions("demo", rows(2, 10), "writer", 1)
    assert list(read_rollout("demo", "r1").columns) == list(EVIDENCE)
    assert read_rollout("demo", "r1").empty
    append_predictions("demo", rollout_rows, "writer", 2)
    found = read_rollout("demo", "r1").set_index("prediction_id")
    assert found["role"].to_dict() == {"p0": "challenger", "p1": "shadow", "p2": "champion"}
    assert found.loc["p2", "fallback"] == "timeout"
    assert read_rollout("demo", "r2").empty
    assert read_rollout("other", "r1").empty


def test_predictions_are_paired_whoever_answered() -> None:
    """The shadow is the challenger's where the champion answered, and the champion's where the challenger did."""
    rows = evidence(("s1", "shadow", "a", 0.2), ("a", "champion", None, 0.1), ("b", "challenger", None, 0.4),
                    ("s2", "shadow", "b", 0.3))  # fmt: skip
    pairs = pair_predictions(rows).set_index("prediction_id")
    assert pairs["champion"].to_dict() == {"a": [0.1], "b": [0.3]}
    assert pairs["challenger"].to_dict() == {"a": [0.2], "b": [0.4]}


def test_a_failure_is_paired_with_what_the_other_said() -> None:
    """A shadow that failed, and a row that fell back to the champion, are pairs in which the challenger has nothing."""
    rows = evidence(("a", "champion", None, 0.1), ("s", "shadow", "a", None), ("b", "champion", None, 0.2))
    pairs = pair_predictions(rows.assign(fallback=[None, "raised", "timeout"])).set_index("prediction_id")
    assert pairs["champion"].to_dict() == {"a": [0.1], "b": [0.2]}
    assert pairs["challenger"].isna().all()


def test_a_row_that_one_version_saw_makes_no_pair() -> None:
    """A shadow whose answer is elsewhere is left out, and so is an answer without a shadow."""
    astray = ("s", "shadow", "elsewhere", 0.5)
    assert pair_predictions(evidence(("a", "champion", None, 0.1), astray)).empty
    assert pair_predictions(evidence(("a", "champion", None, 0.1))).empty
