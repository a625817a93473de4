"""Linear models: the answer to a row, alone, among others, and in any layout."""

import numpy as np
import pytest
from fitted_models import fitted, frame
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression, Ridge

from regrow.models.linear import answer_rows_alone, multiply


@given(st.integers(1, 300), st.integers(1, 400), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_neither_size_nor_layout_changes_a_bit(rows: int, columns: int, outputs: int, seed: int) -> None:
    """A row's products are equal to the last bit alone, among others, by column in memory; and they are right."""
    draw = np.random.default_rng(seed)
    matrix, weights = draw.normal(size=(rows, columns)), draw.normal(size=(outputs, columns))
    whole = multiply(matrix, weights)
    np.testing.assert_allclose(whole, matrix @ weights.T, atol=1e-9)
    np.testing.assert_array_equal(multiply(np.asfortranarray(matrix), weights), whole)
    place = seed % rows
    np.testing.assert_array_equal(multiply(matrix[[place]], weights), whole[[place]])
    np.testing.assert_array_equal(multiply(matrix[place:], weights), whole[place:])
    assert multiply(matrix[:0], weights).shape == (0, outputs)


def test_sparse_rows_are_multiplied_too() -> None:
    """What one-hot encoding makes of many categories has the same products."""
    draw = np.random.default_rng(0)
    matrix, weights = draw.integers(0, 2, (50, 30)).astype(float), draw.normal(size=(3, 30))
    whole = multiply(csr_matrix(matrix), weights)
    np.testing.assert_allclose(whole, matrix @ weights.T)
    np.testing.assert_array_equal(multiply(csr_matrix(matrix[7:8]), weights), whole[7:8])


@pytest.mark.parametrize(
    ("estimator", "parameters", "classes"),
    [
        ("sklearn.linear_model.LogisticRegression", {"max_iter": 500}, 2),
        ("sklearn.linear_model.LogisticRegression", {"max_iter": 500}, 5),
        ("sklearn.linear_model.SGDClassifier", {"loss": "log_loss"}, 3),
        ("sklearn.linear_model.Ridge", {}, 0),
        ("sklearn.linear_model.ElasticNet", {}, 0),
        ("sklearn.compose.TransformedTargetRegressor", {"regressor": {"estimator": "sklearn.linear_model.Ridge"}}, 0),
        (
            "sklearn.calibration.CalibratedClassifierCV",
            {"estimator": {"estimator": "sklearn.linear_model.LogisticRegression"}},
            2,
        ),
    ],
)  # fmt: skip
def test_a_model_answers_a_row_as_it_does_among_others(
    estimator: str, parameters: dict, classes: int
) -> None:
    """Each row alone, by threes and all together: the answers of a stored model are equal to the last bit."""
    model, rows = fitted(estimator, parameters, classes), frame(40)
    whole = model.predict(rows)
    for size in (1, 3):
        parts = [model.predict(rows.iloc[start : start + size]) for start in range(0, len(rows), size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_what_is_answered_stays_the_same() -> None:
    """The predictions are scikit-learn's own but for the last bits, and a model that is not linear is left alone."""
    draw = np.random.default_rng(1)
    rows = draw.normal(size=(200, 6))
    for model, ask in ((LogisticRegression(), "predict_proba"), (Ridge(), "predict")):
        target = (rows @ np.arange(6) > 0).astype(int) + (rows[:, 0] > 1)
        model.fit(rows, target)
        before = getattr(model, ask)(rows)
        answer_rows_alone(model)
        np.testing.assert_allclose(getattr(model, ask)(rows), before, rtol=1e-12, atol=1e-14)
    answer_rows_alone(object())
