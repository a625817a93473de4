"""Candidate, baseline and champion on the same unseen rows."""

import numpy as np
import pandas as pd
import pytest

from regrow.errors import DataError
from regrow.project import EvaluationPlan
from tasks.evaluate import baseline, draw, exclude, flatten, measure, measure_slices, tabulate

TARGET = pd.Series([False, True, True, False])
MODEL = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.7, 0.3]])


def test_seen_rows_are_left_out():
    """A row that the champion was trained on is not compared; without an id its content tells."""
    frame = pd.DataFrame({"a": [1, 2, 2], "b": ["x", "y", "z"]})
    seen = pd.DataFrame({"b": ["y"], "a": [2]})
    assert exclude(frame, seen, ["a", "b"])["b"].tolist() == ["x", "z"]
    assert exclude(frame, seen, ["a"])["b"].tolist() == ["x"]


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


def test_slice_with_one_class_leaves_ranking_out():
    """A slice is measured by what its rows define."""
    plan = EvaluationPlan(primary="roc_auc", metrics=("brier",), slices=("origin",))
    frame = pd.DataFrame({"origin": ["EWR", "EWR", "JFK", "EWR"]})
    ewr, jfk = measure_slices(plan, frame, TARGET, MODEL, (False, True))
    assert (ewr.value, ewr.rows, ewr.metrics["roc_auc"]) == ("EWR", 3, 1)
    assert list(jfk.metrics) == ["brier"]


def test_unknown_slice_column_is_named():
    """A slice column that is not in the data is an error."""
    plan = EvaluationPlan(primary="roc_auc", slices=("nope",))
    with pytest.raises(DataError, match=r"evaluation\.slices: nope"):
        measure_slices(plan, pd.DataFrame({"a": [1]}), TARGET, MODEL, (False, True))


def test_predictions_stand_beside_the_target():
    """The predictions' table holds the target and P(positive) of each model."""
    table = tabulate(TARGET, {"candidate": MODEL}, "binary")
    assert list(table) == ["target", "candidate"]
    assert table["candidate"].tolist() == [0.1, 0.8, 0.9, 0.3]


def test_pictures_fit_the_kind():
    """A classifier gets its curves, a regression its residuals."""
    assert set(draw("binary", TARGET, {"candidate": MODEL}, (False, True))) == {
        "calibration.png",
        "roc.png",
        "precision_recall.png",
    }
    values = np.array([1.0, 2.0])
    assert "residuals.png" in draw("regression", pd.Series(values), {"candidate": values}, ())


def test_metrics_are_named_after_their_model():
    """The candidate's metrics bear their plain names."""
    measured = {"candidate": {"rmse": 1.0}, "champion": {"rmse": 2.0}}
    assert flatten(measured) == {"rmse": 1.0, "champion_rmse": 2.0}
