"""XGBoost's classifiers take classes of any type."""

from typing import Any

import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.base import clone

from regrow.models.stored import TRUSTED_TYPES
from regrow.models.xgboost_classes import XGBClassifier

random = np.random.default_rng(0)
NUMBERS = random.random((120, 3))


@pytest.mark.parametrize(
    "names",
    [["no", "yes"], ["a", "b", "c"], [False, True], [3, 7]],
    ids=["two", "three", "booleans", "numbers"],
)
def test_classes_of_any_type_are_predicted_as_xgboost_predicts_their_places(names: list[Any]) -> None:
    """The probabilities are XGBoost's own for 0, 1, 2 …, and the answers are the labels, also once stored."""
    places = (NUMBERS[:, 0] * len(names)).astype(int)
    fitted = clone(XGBClassifier(n_estimators=4)).fit(NUMBERS, np.array(names)[places])
    own = xgboost.XGBClassifier(n_estimators=4).fit(NUMBERS, places)
    assert list(fitted.classes_) == names
    assert (fitted.predict_proba(NUMBERS) == own.predict_proba(NUMBERS)).all()
    again = skops.io.loads(skops.io.dumps(fitted), trusted=sorted(TRUSTED_TYPES))
    assert list(again.predict(NUMBERS)) == [names[place] for place in own.predict(NUMBERS)]


def test_a_second_fit_forgets_the_first() -> None:
    """Fitted again to other classes, it knows only these."""
    fitted = XGBClassifier(n_estimators=2)
    fitted.fit(NUMBERS, np.where(NUMBERS[:, 0] > 0.5, "x", "y"))
    fitted.fit(NUMBERS, np.array(["a", "b", "c"])[(NUMBERS[:, 0] * 3).astype(int)])
    assert list(fitted.classes_) == ["a", "b", "c"]
