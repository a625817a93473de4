"""scikit-learn's scorers, asked of predictions that are there already instead of a model."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer

OF_CLUSTERS = frozenset(
    {
        "adjusted_mutual_info_score",
        "adjusted_rand_score",
        "completeness_score",
        "fowlkes_mallows_score",
        "homogeneity_score",
        "mutual_info_score",
        "normalized_mutual_info_score",
        "rand_score",
        "v_measure_score",
    }
)
"""Scorers of clusters, whose names do not matter; they measure neither a classifier nor a regression."""


class _Numbers(RegressorMixin, BaseEstimator):
    """A regression that predicts what it was given, whatever it is asked."""

    def __init__(self, prediction: NDArray[np.float64]) -> None:
        self.prediction = prediction

    def predict(self, _: object) -> NDArray[np.float64]:
        """Return the numbers."""
        return self.prediction


class _Decisions(ClassifierMixin, BaseEstimator):
    """A classifier that knows only which class it decides for, as its place."""

    def __init__(self, prediction: NDArray[np.float64]) -> None:
        self.prediction = prediction
        self.classes_ = np.arange(prediction.shape[1])

    def predict(self, _: object) -> NDArray[np.int64]:
        """Return the likeliest class of each row."""
        return self.prediction.argmax(axis=1)


class _Probabilities(_Decisions):
    """A classifier that predicts the probabilities that it was given."""

    def predict_proba(self, _: object) -> NDArray[np.float64]:
        """Return the probabilities."""
        return self.prediction


def ask(metric: str, truth: NDArray[Any], prediction: NDArray[np.float64]) -> float:
    """Return what the scorer *metric* says of *prediction*: numbers, or probabilities beside places of classes.

    Raises `ValueError` or `AttributeError` if the scorer does not fit, or is undefined on these rows.
    """
    model = _Numbers(prediction) if prediction.ndim == 1 else _Probabilities(prediction)
    return float(get_scorer(metric)(model, None, truth))


@lru_cache(maxsize=256)
def fits(metric: str, kind: str) -> bool:
    """Return whether the scorer *metric* measures a model of *kind*: it is tried on a few made-up rows."""
    if metric in OF_CLUSTERS:
        return False
    numbers = np.linspace(1, 2, 12)
    regression = _answers(metric, numbers, _Numbers(numbers + 0.1))
    if kind == "regression":
        return regression
    tried = {"binary": (2,), "multiclass": (3,)}.get(kind, (2, 3))
    return not regression and any(_answers(metric, *_some(classes, _Probabilities)) for classes in tried)


@lru_cache(maxsize=256)
def needs_classes_only(metric: str) -> bool:
    """Return whether the scorer *metric* is content with the class of each row."""
    return any(_answers(metric, *_some(classes, _Decisions)) for classes in (2, 3))


def _some(classes: int, kind: type[_Decisions]) -> tuple[NDArray[np.int64], _Decisions]:
    """Make some rows of *classes* classes and a model of them."""
    truth = np.arange(6 * classes) % classes
    return truth, kind((np.eye(classes)[truth] + 0.5) / (1 + 0.5 * classes))


def _answers(metric: str, truth: NDArray[Any], model: BaseEstimator) -> bool:
    """Return whether *metric* can be asked of *model*."""
    try:
        get_scorer(metric)(model, None, truth)
    except (ValueError, TypeError, AttributeError):
        return False
    return True
