"""Models side by side on held-out rows."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from regrow.base.errors import DataError
from regrow.decisions.side_by_side import baseline, columns_to_judge, measure, tabulate
from regrow.decisions.units import units_of
from regrow.project import Project

TARGET = pd.Series([False, True, True, False])
MODEL = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.7, 0.3]])


def test_baseline_predicts_the_classes_shares():
    """The baseline of a classifier is the share of each class in the training target."""
    np.testing.assert_allclose(baseline(TARGET[:3], (False, True), 2), [[1 / 3, 2 / 3]] * 2)


def test_baseline_predicts_the_mean():
    """The baseline of a regression is the mean of the training target."""
    np.testing.assert_allclose(baseline(pd.Series([1.0, 3.0]), (), 2), [2, 2])


def test_one_class_only_is_an_error():
    """A holdout with one class only says so."""
    with pytest.raises(DataError, match="one class only"):
        measure(["log_loss"], TARGET[1:3], MODEL[1:3], (False, True))


def test_predictions_stand_beside_the_target():
    """The predictions' table holds the target and P(positive) of each model."""
    table = tabulate(TARGET, {"candidate": MODEL}, "binary")
    assert list(table) == ["target", "candidate"]
    assert table["candidate"].tolist() == [0.1, 0.8, 0.9, 0.3]


def test_each_row_keeps_its_unit_and_what_gates_slice_by(project: Callable[..., Project]) -> None:
    """Rows of one day have one number; a gate's column is kept as text, a gap as a gap."""
    gate = {"kind": "slice", "column": "origin", "metric": "roc_auc", "at_least": 0.5}
    data = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "timestamp": "at"}
    made = project(data=data, evaluation={"primary": "roc_auc", "gates": [gate]})
    at = pd.to_datetime(["2024-01-01T01:00Z", "2024-01-01T23:00Z", "2024-01-02T00:00Z"])
    frame = pd.DataFrame({"at": at, "origin": [1.0, None, 2.0]})
    found = columns_to_judge(made, frame, units_of(frame, made.data))
    assert found["unit"].tolist() == [0, 0, 1]
    assert found["slice.origin"].dropna().tolist() == ["1", "2"]
    assert found["time"].tolist() == [moment.value // 1000 for moment in at]
