"""What gives the target away."""

from datetime import UTC, datetime
from time import perf_counter

import numpy as np
import pandas as pd
import pytest

from regrow.inspection.leakage import count_later, count_shared, find_shadows

DRAW = np.random.default_rng(0)
TARGET = pd.Series(np.where(DRAW.random(3000) < 0.3, "no", "yes"))
NO = (TARGET == "no").to_numpy()


@pytest.mark.parametrize(
    "column",
    [
        TARGET.map({"no": "N", "yes": "Y"}),
        pd.Series(NO * 5.0 + DRAW.normal(0, 0.1, 3000)),
        pd.Series(np.where(NO, 17, 0)),
        pd.Series(np.where(NO, None, "paid"), dtype="str"),
        pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(NO * 400, unit="D")),
    ],
)
def test_a_copy_of_the_target_is_found(column: pd.Series) -> None:
    """Text, numbers, gaps or dates that follow the target are its shadow."""
    found = find_shadows(pd.DataFrame({"copy": column}), TARGET, classifies=True)
    assert [one.column for one in found] == ["copy"]
    assert found[0].figure > 0.995


def test_honest_columns_are_none() -> None:
    """A good predictor, noise and a column of ids are no shadows."""
    frame = pd.DataFrame(
        {
            "good": NO + DRAW.normal(0, 0.8, 3000),
            "noise": DRAW.normal(size=3000),
            "id": [f"r{n}" for n in range(3000)],
            "place": range(3000),
            "gaps": np.where(DRAW.random(3000) < 0.5, np.nan, 1.0),
            "empty": np.nan,
        }
    )
    assert find_shadows(frame, TARGET, classifies=True) == []


def test_a_column_filled_for_one_outcome_is_found() -> None:
    """What is there only once the outcome is known is said so, also if many rows of that outcome lack it."""
    filled = np.where(NO & (DRAW.random(3000) < 0.7), "2024-01-01", None)
    found = find_shadows(pd.DataFrame({"closed": filled}), TARGET, classifies=True)
    assert "is filled only if the target is `no`" in found[0].words or "other than `yes`" in found[0].words


def test_a_rare_class_is_seen() -> None:
    """Of 300,000 rows a sample is looked at, with the rows of a class of one in a thousand."""
    rare = DRAW.random(300_000) < 0.001
    frame = pd.DataFrame(
        {"loss": np.where(rare, DRAW.lognormal(3, 1, 300_000), 0.0), "x": DRAW.random(300_000)}
    )
    assert [one.column for one in find_shadows(frame, pd.Series(rare), classifies=True)] == ["loss"]


def test_one_class_of_three_is_not_the_target() -> None:
    """A column that tells one class of three from the others, and these not from each other, is no shadow."""
    target = pd.Series(DRAW.integers(0, 3, 3000))
    frame = pd.DataFrame({"half": target == 0, "whole": target * 10})
    assert [one.column for one in find_shadows(frame, target, classifies=True)] == ["whole"]


def test_a_regressions_shadow_explains_its_variance() -> None:
    """The target in another currency is found, however heavy its tails; half of it is not."""
    target = pd.Series(DRAW.normal(100, 20, 3000))
    frame = pd.DataFrame({"euro": target * 1.1 + 3, "half": target + DRAW.normal(0, 15, 3000)})
    found = find_shadows(frame, target, classifies=False)
    assert [one.column for one in found] == ["euro"]
    assert "R²" in found[0].words


def test_the_work_is_bounded() -> None:
    """1,500 columns take seconds, not minutes."""
    frame = pd.DataFrame(DRAW.normal(size=(20_000, 1_500)).astype("float32"))
    frame.columns = frame.columns.map(str)
    began = perf_counter()
    assert find_shadows(frame, pd.Series(DRAW.random(20_000) < 0.5), classifies=True) == []
    assert perf_counter() - began < 60


def test_rows_on_both_sides_are_counted() -> None:
    """Rows of the holdout that are equal to a training row are counted by any columns, whatever these hold."""
    training = pd.DataFrame({"id": [1, 2, 3], "x": [0.5, None, 1.0], "tags": [["a"], ["b"], ["c"]]})
    holdout = pd.DataFrame({"id": [3, 4, 2], "x": [1.0, 0.5, None], "tags": [["c"], ["a"], ["z"]]})
    assert count_shared(training, holdout, ["id"]) == 2
    assert count_shared(training, holdout, ["id", "x", "tags"]) == 1
    assert count_shared(training, holdout, []) == 0


def test_later_times_are_counted() -> None:
    """Moments after the one that the run pretends is now are counted."""
    times = pd.Series(pd.to_datetime(["2024-01-01", "2024-06-01", "2025-01-01"], utc=True))
    assert count_later(times, datetime(2024, 6, 1, tzinfo=UTC)) == 1
