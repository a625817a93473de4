"""What gives the target away."""

from time import perf_counter

import numpy as np
import pandas as pd
import pytest

from regrow.inspection.leakage import find_shadows, later_share, share_in_both

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


@pytest.mark.long
def test_the_work_is_bounded() -> None:
    """1,500 columns take seconds, not minutes."""
    frame = pd.DataFrame(DRAW.normal(size=(20_000, 1_500)).astype("float32"))
    frame.columns = frame.columns.map(str)
    began = perf_counter()
    assert find_shadows(frame, pd.Series(DRAW.random(20_000) < 0.5), classifies=True) == []
    assert perf_counter() - began < 60


def test_rows_on_both_sides_are_counted() -> None:
    """The share of holdout rows that are equal to a training row is told by any columns, whatever these hold."""
    frame = pd.DataFrame(
        {
            "id": [1, 3, 2, 4, 3, 2, 9],
            "x": [0.5, 1.0, None, 0.5, 1.0, None, 7],
            "tags": [["a"], ["c"], ["b"], ["a"], ["c"], ["z"], ["y"]],
        }
    )
    training, holdout = np.array([0, 2, 4]), np.array([1, 3, 5, 6])
    assert share_in_both(frame, training, holdout, ["id"]) == 0.5
    assert share_in_both(frame, training, holdout, ["id", "x", "tags"]) == 0.25
    assert share_in_both(frame, training, holdout, []) == 0


def test_rows_on_both_sides_are_estimated_of_many() -> None:
    """Of very many rows a sample in which equal rows stay together tells the same share."""
    frame = pd.DataFrame({"kind": "a", "id": np.r_[:600_000, 500_000:900_000]})
    training, holdout = np.arange(600_000), np.arange(600_000, 1_000_000)
    assert abs(share_in_both(frame, training, holdout, ["kind", "id"]) - 0.25) < 0.01


def test_later_dates_are_counted() -> None:
    """Dates after the row's own event are told, as dates, text and categories; missing ones do not count."""
    events = pd.Series(pd.to_datetime(["2024-01-01", "2024-06-01", "2024-06-01"], utc=True))
    assert later_share(pd.Series(["2024-02-01", "2024-02-01", None]), events) == 0.5
    assert later_share(pd.Series(pd.to_datetime([None, None, "2025-01-01"])), events) == 1.0
    assert later_share(pd.Series(["2024-02", "2024-02", None], dtype="category"), events) == 0.5
    assert later_share(pd.Series([None, None, None]), events) == 0.0
