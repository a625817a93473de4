"""Metrics: directions, shapes, and the rows on which they mean nothing."""

import numpy as np
import pytest

from regrow.errors import DataError, ProjectError
from regrow.models.metrics import encode, higher_is_better, score

TARGET = np.array([False, True, True, False])
RIGHT = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.7, 0.3]])


@pytest.mark.parametrize(
    ("metric", "best"), [("roc_auc", 1), ("average_precision", 1), ("accuracy", 1), ("f1", 1)]
)
def test_right_ranking_scores_best(metric, best):
    """A model that ranks and places every row right reaches the best figure."""
    assert score(metric, TARGET, RIGHT, (False, True)) == best


def test_brier_is_the_positive_class_alone():
    """The Brier score of two classes is the mean squared error of P(positive)."""
    assert score("brier", TARGET, RIGHT, (False, True)) == pytest.approx((0.01 + 0.04 + 0.01 + 0.09) / 4)


def test_rmse_is_in_the_target_unit():
    """An error of 2 in every row is an RMSE of 2."""
    assert score("rmse", [1.0, 2.0], np.array([3.0, 4.0])) == pytest.approx(2)


def test_three_classes_score():
    """Text labels of three classes are scored in the order of the classes."""
    assert score("roc_auc", ["a", "b", "c"], np.eye(3), ("a", "b", "c")) == 1


def test_one_class_only_is_an_error():
    """A target with one class only says so, and what to do."""
    with pytest.raises(DataError, match=r"one class only in 4 rows.*widen the window"):
        score("roc_auc", [True] * 4, RIGHT, (False, True))


def test_metric_must_fit_the_model():
    """A regression's metric for a classifier is an error of the project file."""
    with pytest.raises(ProjectError, match="rmse does not measure a classifier"):
        score("rmse", TARGET, RIGHT, (False, True))


def test_unknown_label_is_named():
    """Labels that the model has no class for are named, counted, and given a remedy."""
    said = r"3 of 4 rows .*\['no', 'yes'\] \('maybe' in 2, nan in 1\); correct these labels"
    with pytest.raises(DataError, match=said):
        encode(["yes", "maybe", None, "maybe"], ("no", "yes"))


def test_error_metrics_are_better_low():
    """Errors and losses are better low; ranks and shares are better high."""
    assert higher_is_better("roc_auc")
    assert not higher_is_better("rmse")
