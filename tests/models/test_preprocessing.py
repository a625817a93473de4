"""Preprocessing by type, as a project file adjusts it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from regrow.base.errors import DataError
from regrow.models.fitting import build_pipeline
from regrow.models.preprocessing import preprocess_by_type
from regrow.project.training import ByType, Training

random = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {
        "size": np.where(np.arange(200) % 10 == 0, np.nan, random.normal(50, 10, 200)),
        "town": ["A"] * 150 + ["B"] * 47 + ["C", "D", "E"],
        "since": pd.date_range("2024-01-01", periods=200).astype("datetime64[us]"),
        "at": pd.date_range("2025-01-01", periods=200).astype("datetime64[us]"),
    }
)


def prepared(
    columns: list[str], takes_missing: bool, timestamp: str | None = None, **asked: Any
) -> np.ndarray:
    """Prepare *columns* of the rows as the file asks."""
    made = preprocess_by_type(ByType(**asked), ROWS[columns], takes_missing, timestamp)
    return np.asarray(made.fit_transform(ROWS[columns]), dtype=float)


def test_the_default_follows_the_estimator() -> None:
    """Numbers with gaps stay as they are for an estimator that takes them, and are filled and scaled for another."""
    assert np.isnan(prepared(["size", "town"], True)[:, 1]).sum() == 20
    other = prepared(["size", "town"], False)
    assert other.shape == (200, 6)
    assert other[:, -1].mean() == pytest.approx(0)


def test_scaling_is_turned_on_and_off() -> None:
    """`scale` decides for either kind of estimator."""
    assert prepared(["size"], False, scale=False).mean() > 40
    assert np.nanstd(prepared(["size"], True, scale=True)) == pytest.approx(1)


@pytest.mark.parametrize("asked", [{"min_frequency": 5}, {"min_frequency": 0.1}, {"max_categories": 3}])
@pytest.mark.parametrize("takes_missing", [True, False])
def test_rare_categories_are_put_together(asked: dict[str, Any], takes_missing: bool) -> None:
    """Towns of one row each count as one, by rows, by share, or by the number of categories."""
    assert len(np.unique(prepared(["town"], takes_missing, **asked), axis=0)) == 3


@pytest.mark.parametrize("takes_missing", [True, False])
def test_missing_values_get_a_column_of_their_own(takes_missing: bool) -> None:
    """Beside a number stands whether it was missing."""
    made = prepared(["size"], takes_missing, missing_indicators=True)
    assert made.shape == (200, 2)
    raw = made[:, 1] > made[:, 1].mean()
    assert (raw == ROWS["size"].isna()).all()


@pytest.mark.parametrize("takes_missing", [True, False])
def test_dates_become_parts_or_ages(takes_missing: bool) -> None:
    """Each date becomes five parts, or its age at the event; the event's own time is no feature."""
    assert prepared(["since"], takes_missing, dates="parts").shape == (200, 5)
    ages = prepared(["since", "at"], True, "at", dates="age")
    assert ages[:, 0].tolist() == [366.0] * 200


def test_a_date_needs_a_word() -> None:
    """A date among the features is an error that says what to write."""
    with pytest.raises(DataError, match=r"column `since`: a date is no feature by itself.*dates: age"):
        prepared(["since"], True)


def test_text_with_a_value_per_row_is_refused() -> None:
    """A column of names or remarks is named, with its counts and the remedy; a short one may be categories."""
    own = pd.DataFrame({"note": [f"remark {row}" for row in range(200)]})
    with pytest.raises(
        DataError, match=r"column `note`: 200 of 200 rows hold a text of their own.*data\.features"
    ):
        preprocess_by_type(ByType(), own, True)
    preprocess_by_type(ByType(), own[:20], True)


@pytest.mark.parametrize("takes_missing", [True, False])
def test_words_of_free_text_become_features(takes_missing: bool) -> None:
    """A column that the file calls free text becomes weights of its words, beside the others, and is no category."""
    rows = ROWS.assign(
        note=[f"row {number} is {'late' if number % 2 else 'in time'}" for number in range(200)]
    )
    made = preprocess_by_type(ByType(words={"note": 4}), rows[["size", "note"]], takes_missing)
    columns = np.asarray(made.fit_transform(rows[["size", "note"]]), dtype=float)
    assert list(made.get_feature_names_out())[1:] == ["note: in", "note: is", "note: late", "note: row"]
    assert ((columns[:, 3] > 0) == np.arange(200) % 2).all()


def test_words_are_of_text_alone() -> None:
    """A column of `words` that is no feature, or holds numbers, is named with what to do."""
    with pytest.raises(DataError, match=r"`size`: training\.preprocessing\.words names it, .* no text"):
        prepared(["size"], True, words={"size": 5})
    training = Training(
        estimator="sklearn.linear_model.LogisticRegression", preprocessing=ByType(words={"remark": 5})
    )
    with pytest.raises(DataError, match="words: `remark` is no feature"):
        build_pipeline(training, ROWS[["size"]])
