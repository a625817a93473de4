"""The threshold above which a binary classifier decides for its positive class, the second one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.metrics import make_scorer
from sklearn.model_selection import FixedThresholdClassifier, TimeSeriesSplit, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline

from regrow.base.errors import DataError, ProjectError
from regrow.models.metrics import Label, encode, score, sign
from regrow.project.imports import naming_origin
from regrow.project.training import CostThreshold, Threshold, TunedThreshold


def find_threshold(
    asked: Threshold | None,
    pipeline: Pipeline,
    features: pd.DataFrame,
    target: pd.Series,
    ordered: bool,
    seed: int,
    weights: NDArray[np.float64] | None = None,
) -> float | None:
    """Return the threshold that the file *asked* for, tuned on the training rows by cross-validation if it says so.

    Without one, that of an estimator that has tuned or fixed its own; None if there is none. *ordered* rows are
    judged on what follows them in time. Raises `ProjectError` if the model does not decide between two classes.
    """
    if asked is None:
        return _own(pipeline[-1])
    classes = getattr(pipeline, "classes_", ())
    require_two_classes(len(classes))
    if isinstance(asked, int | float):
        return asked
    tuned = TunedThresholdClassifierCV(
        clone(pipeline),
        scoring=make_scorer(_worth(asked, tuple(classes))),  # pyright: ignore[reportArgumentType] (its stub)
        response_method="predict_proba",
        cv=TimeSeriesSplit(asked.folds) if ordered else asked.folds,
        random_state=seed,
    )
    weight = {} if weights is None else {"estimator__sample_weight": weights}
    with naming_origin(DataError, "training.threshold: cannot be tuned on these rows"):
        found = tuned.fit(features, target, **weight).best_threshold_
    return float(np.clip(found, 0.0, 1.0))


def require_two_classes(count: int) -> None:
    """Raise `ProjectError` unless *count* classes, 0 of a regression, are two, as a threshold needs."""
    if count != 2:
        kind = f"{count} classes" if count else "a number"
        raise ProjectError(
            f"training.threshold: the model predicts {kind}; a threshold decides between two classes"
        )


def _worth(asked: TunedThreshold | CostThreshold, classes: Sequence[Label]) -> Any:
    """Return what the decisions for labels are worth, as a function of the labels and the decided classes."""

    def worth(target: ArrayLike, decided: ArrayLike) -> float:
        truth, decision = encode(target, classes), encode(decided, classes)
        if isinstance(asked, CostThreshold):
            return -cost_of(truth, decision, asked.cost.false_positive, asked.cost.false_negative)
        return sign(asked.metric) * score(asked.metric, truth, np.eye(2)[decision], range(2))

    return worth


def cost_of(
    truth: NDArray[Any], decision: NDArray[Any], false_positive: float, false_negative: float
) -> float:
    """Return the mean cost of each *decision* (1 is positive) beside the *truth*."""
    wrong = (decision > truth) * false_positive + (decision < truth) * false_negative
    return float(np.mean(wrong))


def _own(estimator: Any) -> float | None:
    """Return the threshold of an estimator that decides by one of its own."""
    if isinstance(estimator, TunedThresholdClassifierCV):
        return float(estimator.best_threshold_)
    if isinstance(estimator, FixedThresholdClassifier) and estimator.threshold != "auto":
        return float(estimator.threshold)
    return None
