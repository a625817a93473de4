"""The shapes of predictions and labels: as a model returns them, as one column, as the log keeps them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from model_facts import make_facts

from regrow.models.predictions import fit_to, from_column, restore_labels, stack_predictions, to_column
from regrow.models.results import ProblemType

RIGHT = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.7, 0.3]])
ANY = st.floats(allow_nan=False)


@pytest.mark.parametrize(("kind", "prediction"), [("binary", RIGHT), ("multiclass", np.eye(3))])
def test_column_keeps_the_prediction(kind: ProblemType, prediction: np.ndarray[Any, Any]) -> None:
    """A prediction laid into one column comes back the same."""
    np.testing.assert_allclose(from_column(pd.Series(to_column(prediction, kind)), kind), prediction)


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(3, 5)), elements=ANY))
def test_all_classes_come_back_to_the_last_bit(prediction: np.ndarray[Any, Any]) -> None:
    """The probabilities of several classes, and the numbers of a regression, are not changed by a column."""
    assert from_column(pd.Series(to_column(prediction, "multiclass")), "multiclass").tolist() == (
        prediction.tolist()
    )
    numbers = prediction[:, 0]
    assert from_column(pd.Series(to_column(numbers, "regression")), "regression").tolist() == numbers.tolist()


def test_two_classes_are_the_probability_of_the_second() -> None:
    """One column keeps P(positive) of two classes."""
    assert np.asarray(to_column(RIGHT, "binary")).tolist() == [0.1, 0.8, 0.9, 0.3]


@pytest.mark.parametrize(
    ("classes", "logged", "stacked"),
    [
        ((), [[1.5], None, [2.0]], [1.5, np.nan, 2.0]),
        (("no", "yes"), [[0.9, 0.1], None], [[0.9, 0.1], [np.nan] * 2]),
        (("a", "b", "c"), [None, [0.2, 0.3, 0.5]], [[np.nan] * 3, [0.2, 0.3, 0.5]]),
        ((), [None], [np.nan]),
    ],
)
def test_a_failed_prediction_is_a_row_of_nan(
    classes: tuple[str, ...], logged: list[Any], stacked: list[Any]
) -> None:
    """Logged predictions have the model's shape, and one that failed keeps its place."""
    np.testing.assert_array_equal(stack_predictions(pd.Series(logged), make_facts(*classes)), stacked)


@pytest.mark.parametrize(("classes", "shape"), [((), (0,)), (("no", "yes"), (0, 2))])
def test_no_prediction_has_the_shape_of_some(classes: tuple[str, ...], shape: tuple[int, ...]) -> None:
    """A window in which nothing was predicted is an empty array of the same shape."""
    assert stack_predictions(pd.Series([], dtype=object), make_facts(*classes)).shape == shape


def test_a_prediction_of_other_classes_is_no_row() -> None:
    """Probabilities of another number of classes are an error, never shifted into other rows."""
    with pytest.raises(ValueError, match="shape"):
        stack_predictions(pd.Series([[0.1, 0.2, 0.7]] * 2), make_facts("no", "yes"))


@pytest.mark.parametrize(
    ("classes", "stored"),
    [
        ((False, True), [0.0, 1.0]),
        (("1", "2"), [1.0, 2.0]),
        (("no", "yes"), ["no", "yes"]),
        ((1, 2), ["1.0", "2"]),
        ((0.5, 1.5), ["0.5", 1.5]),
    ],
)
def test_labels_become_the_models_classes(classes: tuple[Any, ...], stored: list[Any]) -> None:
    """What the label table made of a class (a number of a boolean) is turned back, in its type."""
    found = list(restore_labels(pd.Series(stored), make_facts(*classes, id="id")))
    assert found == list(classes)
    assert list(map(type, found)) == list(map(type, classes))


def test_a_label_of_no_class_stays_as_it_is() -> None:
    """An unknown label is kept, to be named by who measures it."""
    assert list(restore_labels(pd.Series(["maybe", "yes"]), make_facts("no", "yes"))) == ["maybe", "yes"]


def test_labels_of_a_regression_are_numbers() -> None:
    """A regression has no classes: its labels are numbers, a missing one NaN."""
    np.testing.assert_array_equal(restore_labels(pd.Series([1, None, 2.5]), make_facts()), [1.0, np.nan, 2.5])


def test_a_label_fits_if_it_is_a_class_or_a_number() -> None:
    """A class may be written as text or number; a regression takes finite numbers, and nothing else fits."""
    assert fit_to(pd.Series(["1", 1.0, 2, "maybe", None]), make_facts(0, 1)).tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert fit_to(pd.Series(["no", "perhaps"]), make_facts("no", "yes")).tolist() == [True, False]
    assert fit_to(pd.Series([1, "2.5", "x", None, float("inf")]), make_facts()).tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]
