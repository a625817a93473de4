"""What a fitted pipeline is made of, however deep."""

import numpy as np
import pandas as pd
from fitted_models import frame
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

from regrow.models.fitted import packages_of, parts_of, take_any_classes, use_one_thread

NUMBERS = frame(200)[["hour", "wind"]].to_numpy(dtype=float)
WORDS = pd.Series(np.where(frame(200)["hour"] > 12, "late", "early"))


def stacked() -> StackingClassifier:
    """Stack a calibrated forest and XGBoost."""
    forest = CalibratedClassifierCV(RandomForestClassifier(n_estimators=3, n_jobs=2), cv=2)
    return StackingClassifier(
        [("forest", forest), ("boosted", XGBClassifier(n_estimators=3))], LogisticRegression(), cv=2
    )


def test_every_part_is_found_however_deep() -> None:
    """The estimators that a fit made inside of others are found too, and the packages of all."""
    fitted = stacked().fit(NUMBERS, WORDS)
    kinds = [type(part).__name__ for part in parts_of(fitted)]
    assert kinds.count("RandomForestClassifier") > 2
    assert packages_of(fitted) == ("sklearn", "xgboost")


def test_every_part_predicts_in_one_thread() -> None:
    """No forest inside of a fitted estimator is left with threads, whose order would change the last bit."""
    fitted = stacked().fit(NUMBERS, WORDS)
    use_one_thread(fitted)
    threads = [
        (type(part).__module__.partition(".")[0], part.get_params(deep=False).get("n_jobs", 1))
        for part in parts_of(fitted)
    ]
    assert set(threads) == {("sklearn", 1), ("sklearn", None), ("xgboost", 1)}


def test_xgboost_takes_text_wherever_it_stands() -> None:
    """XGBoost inside of another estimator is replaced too, with the parameters that it had."""
    inside = CalibratedClassifierCV(XGBClassifier(n_estimators=3, max_depth=2), cv=2)
    taking = take_any_classes(inside)
    assert taking.estimator.get_params()["max_depth"] == 2
    assert list(taking.fit(NUMBERS, WORDS).predict(NUMBERS[:2])) == list(WORDS[:2])
