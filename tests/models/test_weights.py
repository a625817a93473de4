"""How much each training row counts."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from regrow.base.errors import DataError, ProjectError
from regrow.models.weights import name_classes, sample_weights
from regrow.project.training import HalfLife

AT = pd.to_datetime(["2024-01-01", "2024-01-31", "2024-03-01"])


def test_weights_by_age_halve() -> None:
    """A row that is a half-life older weighs half as much; the newest weighs 1."""
    weights = sample_weights(HalfLife(half_life=timedelta(days=30)), pd.DataFrame({"at": AT}), "at")
    assert weights is not None
    assert weights.tolist() == [0.25, 0.5, 1.0]


def test_weights_of_a_column() -> None:
    """A column of numbers gives the weights as they are; without a wish there are none."""
    frame = pd.DataFrame({"w": [1, 0, 3]})
    assert np.array_equal(sample_weights("w", frame, None), [1.0, 0.0, 3.0])
    assert sample_weights(None, frame, None) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, -2.0], r"column `w`, row 1: -2\.0 is no weight \(1 such rows\)"),
        ([np.nan, 2.0], "row 0: nan is no weight"),
        ([0.0, 0.0], "every row weighs 0"),
        (["a", "b"], "holds no numbers"),
    ],
)
def test_what_is_no_weight_is_named(values: list[object], message: str) -> None:
    """A negative, missing or textual weight, and weights that are all 0, are errors of the data."""
    with pytest.raises(DataError, match=message):
        sample_weights("w", pd.DataFrame({"w": values}), None)


@pytest.mark.parametrize(
    ("classes", "written"), [([0, 1], "1"), ([False, True], "true"), ([0.0, 1.0], "1"), (["no", "1"], "1")]
)
def test_class_weights_find_their_class(classes: list[object], written: str) -> None:
    """A key of the file's mapping is text; it means the class that is written so."""
    estimator = LogisticRegression(class_weight={written: 5.0})
    name_classes(estimator, pd.Series(classes))
    assert estimator.class_weight == {classes[1]: 5.0}


def test_a_weight_of_no_class_is_named() -> None:
    """A class that the target does not have is an error that lists those that it has."""
    with pytest.raises(ProjectError, match=r"the target has no class `yes`; it has 0, 1"):
        name_classes(LogisticRegression(class_weight={"yes": 5.0}), pd.Series([0, 1]))
