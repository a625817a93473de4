"""Score predictions by scikit-learn's metrics, under the names that a project file uses."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk
from sklearn.base import is_regressor
from sklearn.exceptions import UndefinedMetricWarning

from regrow.base.errors import DataError
from regrow.models.results import ProblemType
from regrow.project import Metric
from regrow.project.imports import naming_origin
from regrow.project.metrics import (
    BUILT_IN,
    check_metric,
    decides,
    higher_is_better,
    is_own,
    own_metric,
    takes_decisions,
)

Label = str | int | float | bool
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

RANKING: frozenset[Metric] = frozenset({"roc_auc", "average_precision"})
"""Metrics that compare the classes with one another, so need a row of each."""


def score(metric: Metric, target: ArrayLike, prediction: Floats, classes: Sequence[Label] = ()) -> float:
    """Return *metric* of *prediction* against *target*.

    *prediction* is `(rows,)` for a regression, else `(rows, classes)` probabilities, ordered as *classes*; for a
    metric of decisions, what `as_judged` makes of them. An own metric gets the place of each label in *classes*.
    Raises `ProjectError` if the metric does not fit the model, `DataError` if it is undefined on these rows.
    """
    check_metric(metric, kind_of_classes(len(classes)))
    if not len(prediction):
        raise DataError(f"{metric}: no row to score; widen the window, or check the source")
    truth = encode(target, classes) if len(classes) else np.asarray(target, dtype=np.float64)
    if len(classes) and metric in RANKING:
        require_classes(np.asarray(truth, dtype=np.int64), classes, metric)
    prediction = np.asarray(prediction, dtype=np.float64)
    figure = _figure(metric, truth, prediction)
    if not np.isfinite(figure):
        raise DataError(
            f"{metric}: is {figure} on these {len(prediction)} rows; return a finite number for every set of rows"
            if is_own(metric)
            else f"{metric}: is undefined on these {len(prediction)} rows; widen the window, or take another metric"
        )
    return figure


def _figure(metric: Metric, truth: NDArray[Any], prediction: Floats) -> float:
    """Ask the formula of *metric*."""
    if is_own(metric):
        return _ask_own(metric, truth, prediction)
    if metric in BUILT_IN:
        return float((_REGRESSION if prediction.ndim == 1 else _CLASSIFICATION)[metric](truth, prediction))
    from regrow.project.scorers import ask

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            return ask(metric, truth, prediction)
    except (ValueError, AttributeError) as error:
        raise DataError(f"{metric}: cannot be computed on these {len(prediction)} rows: {error}") from error


def _ask_own(metric: Metric, truth: NDArray[Any], prediction: Floats) -> float:
    """Ask the user's function: of probabilities (of two classes, the second's), or of decided classes."""
    function = own_metric(metric)
    if prediction.ndim == 2 and takes_decisions(function):
        prediction = prediction.argmax(axis=1)
    elif prediction.ndim == 2 and prediction.shape[1] == 2:
        prediction = prediction[:, 1]
    with naming_origin(DataError, f"{metric} raised"):
        return float(function(truth, prediction))


def as_judged(metric: Metric, prediction: Floats, threshold: float | None) -> Floats:
    """Return *prediction* as *metric* must see it: of two classes the one that *threshold* decides for gets all.

    A metric of probabilities sees them as they are, and so does every metric without a *threshold*.
    """
    if threshold is None or prediction.ndim == 1 or prediction.shape[1] != 2 or not decides(metric):
        return prediction
    return decide_by(prediction, threshold)


def decide_by(prediction: Floats, threshold: float) -> Floats:
    """Return `(rows, 2)`: 1 for the class that *threshold* decides for, 0 for the other; NaN stays."""
    positive = np.where(np.isnan(prediction[:, 1]), np.nan, prediction[:, 1] >= threshold)
    return np.column_stack([1 - positive, positive])


def scorer(metric: Metric) -> Callable[[Any, Any, ArrayLike], float]:
    """Return *metric* as scikit-learn's searches take it: of a model, rows and target, greater is better."""

    def goodness(model: Any, features: Any, target: ArrayLike) -> float:
        if is_regressor(model):
            return sign(metric) * score(metric, target, model.predict(features))
        return sign(metric) * score(metric, target, model.predict_proba(features), model.classes_.tolist())

    return goodness


def kind_of_classes(classes: int) -> ProblemType:
    """Return what a model of *classes* classes predicts; none are a regression."""
    return "regression" if not classes else "binary" if classes == 2 else "multiclass"


def sign(metric: Metric) -> int:
    """Return 1 if a greater *metric* is better, -1 if a smaller one is."""
    return 1 if higher_is_better(metric) else -1


def encode(target: ArrayLike, classes: Sequence[Label]) -> Codes:
    """Replace each label of *target* by its place in *classes*.

    Raises `DataError` if a label is not among them.
    """
    given, known = np.asarray(target), np.asarray(classes)
    if given.dtype.kind in "biuf" and known.dtype.kind in "biuf" and len(known):
        order = np.argsort(known)
        places = order[np.searchsorted(known[order], given).clip(max=len(known) - 1)]
        if (known[places] == given).all():
            return places.astype(np.int64)
    labels = pd.Series(given).astype(object)
    codes = labels.map({label: place for place, label in enumerate(classes)})
    if codes.isna().any():
        unknown = labels[codes.isna()].value_counts(dropna=False)
        named = ", ".join(f"{value!r} in {count}" for value, count in unknown.head(3).items())
        raise DataError(
            f"target: {unknown.sum()} of {len(labels)} rows hold a label that is none of the model's classes "
            f"{list(classes)} ({named}); correct these labels at their source, or train on rows that have them"
        )
    return np.asarray(codes, dtype=np.int64)


def require_classes(codes: Codes, classes: Sequence[Label], what: str) -> None:
    """Raise `DataError` if a class of *classes* has no row in *codes*."""
    missing = sorted(set(range(len(classes))) - set(np.unique(codes).tolist()))
    if not missing:
        return
    absent = ", ".join(repr(classes[place]) for place in missing)
    found = "one class only" if len(classes) - len(missing) == 1 else "not every class"
    raise DataError(
        f"{what}: target holds {found} in {len(codes)} rows (no {absent}); "
        "widen the window, or split by `stratified`"
    )


def _roc_auc(codes: Codes, probability: Floats) -> float:
    if probability.shape[1] == 2:
        return float(sk.roc_auc_score(codes, probability[:, 1]))
    return float(
        sk.roc_auc_score(codes, probability, multi_class="ovr", labels=np.arange(probability.shape[1]))
    )


def _average_precision(codes: Codes, probability: Floats) -> float:
    if probability.shape[1] == 2:
        return float(sk.average_precision_score(codes, probability[:, 1]))
    return float(sk.average_precision_score(np.eye(probability.shape[1])[codes], probability))


def _brier(codes: Codes, probability: Floats) -> float:
    """Return the mean squared error of the probabilities; of two classes, that of the positive one (Brier 1950)."""
    if probability.shape[1] == 2:
        return float(np.mean((probability[:, 1] - codes) ** 2))
    return float(np.mean(np.sum((probability - np.eye(probability.shape[1])[codes]) ** 2, axis=1)))


def _f1(codes: Codes, probability: Floats) -> float:
    average = "binary" if probability.shape[1] == 2 else "macro"
    return float(sk.f1_score(codes, probability.argmax(axis=1), average=average))


_REGRESSION: dict[str, Callable[[Floats, Floats], float]] = {
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
}
_CLASSIFICATION: dict[str, Callable[[Codes, Floats], float]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "log_loss": lambda codes, p: sk.log_loss(codes, p, labels=np.arange(p.shape[1])),
    "brier": _brier,
    "accuracy": lambda codes, p: sk.accuracy_score(codes, p.argmax(axis=1)),
    "balanced_accuracy": lambda codes, p: sk.balanced_accuracy_score(codes, p.argmax(axis=1)),
    "f1": _f1,
}
