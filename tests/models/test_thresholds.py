"""From which probability a classifier of two classes decides for the second."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from regrow.base.errors import DataError, ProjectError
from regrow.models.fitting import fit_pipeline
from regrow.models.metrics import as_judged, encode, score
from regrow.models.thresholds import cost_of, find_threshold
from regrow.project import Training
from regrow.project.training import CostOfErrors, CostThreshold, TunedThreshold

random = np.random.default_rng(0)
FEATURES = pd.DataFrame({"size": random.normal(size=600)})
RARE = pd.Series(np.where(FEATURES["size"] + random.normal(size=600) > 2, "yes", "no"))
LOGISTIC = Training(estimator="sklearn.linear_model.LogisticRegression")
PIPELINE, _ = fit_pipeline(LOGISTIC, FEATURES, RARE)


def found(asked: Any, ordered: bool = False) -> float | None:
    """Find the threshold that is asked for on the rows of this file."""
    return find_threshold(asked, PIPELINE, FEATURES, RARE, ordered, 0)


def test_a_number_is_the_threshold() -> None:
    """A number stands as it is, and no wish is no threshold."""
    assert found(0.3) == 0.3
    assert found(None) is None


@pytest.mark.parametrize("ordered", [False, True])
def test_a_threshold_is_tuned_for_a_metric(ordered: bool) -> None:
    """Of a rare class, f1 by the tuned threshold is better than by the likelier class."""
    threshold = found(TunedThreshold(metric="f1", folds=3), ordered)
    prediction = PIPELINE.predict_proba(FEATURES)
    figures = [
        score("f1", RARE, as_judged("f1", prediction, tried), ("no", "yes")) for tried in (threshold, None)
    ]
    assert figures[0] > figures[1] + 0.05


def test_a_threshold_is_tuned_for_what_errors_cost() -> None:
    """If a missed positive costs nine times as much, the threshold is near a tenth, and turned round near nine."""
    costs = [
        CostThreshold(cost=CostOfErrors(false_positive=one, false_negative=other))
        for one, other in ((1.0, 9.0), (9.0, 1.0))
    ]
    low, high = (found(cost) for cost in costs)
    assert low is not None
    assert high is not None
    assert low < 0.2 < high
    truth, likelier = encode(RARE, ("no", "yes")), PIPELINE.predict_proba(FEATURES)[:, 1]
    assert cost_of(truth, likelier >= low, 1, 9) < cost_of(truth, likelier >= 0.5, 1, 9)


def test_an_estimator_that_tunes_its_own_threshold_tells_it() -> None:
    """The threshold of scikit-learn's own tuner, written as the estimator, is the model's."""
    inner = {"estimator": {"estimator": LOGISTIC.estimator}, "scoring": "balanced_accuracy", "cv": 3}
    training = Training(estimator="sklearn.model_selection.TunedThresholdClassifierCV", parameters=inner)
    pipeline, _ = fit_pipeline(training, FEATURES, RARE)
    assert find_threshold(None, pipeline, FEATURES, RARE, False, 0) == pipeline[-1].best_threshold_
    decided = np.where(pipeline.predict_proba(FEATURES)[:, 1] >= pipeline[-1].best_threshold_, "yes", "no")
    assert (pipeline.predict(FEATURES) == decided).all()


def test_a_threshold_decides_between_two_classes_only() -> None:
    """Of three classes, or of a number, a threshold is refused."""
    three = pd.Series(np.arange(600) % 3)
    pipeline, _ = fit_pipeline(LOGISTIC, FEATURES, three)
    with pytest.raises(ProjectError, match="predicts 3 classes; a threshold decides between two"):
        find_threshold(0.3, pipeline, FEATURES, three, False, 0)


def test_rows_that_cannot_tune_are_an_error() -> None:
    """With fewer positive rows than folds, the error says what cannot be done."""
    few = pd.Series(np.where(FEATURES.index < 1, "yes", "no"))
    with pytest.raises(DataError, match=r"training\.threshold: cannot be tuned on these rows"):
        find_threshold(TunedThreshold(metric="f1"), PIPELINE, FEATURES, few, False, 0)
