"""A recipe, fitted as it is judged and on all known rows."""

import numpy as np
import pandas as pd
from small_past import past_rows, project_of

from regrow.models.fitting import fit_pipeline
from regrow.models.recipe import columns_with_gaps, fit_recipe, parameters_chosen, refit_recipe
from regrow.project import RandomizedSearch, Training

LOGISTIC = "sklearn.linear_model.LogisticRegression"


def test_what_a_search_has_chosen_is_kept() -> None:
    """Only the parameters that were searched are named; without a search there are none."""
    features, target = pd.DataFrame({"size": range(40)}), pd.Series([0, 1] * 20)
    search = RandomizedSearch(kind="randomized", space={"C": [0.5]}, trials=1)
    found = fit_pipeline(Training(estimator=LOGISTIC, search=search), features, target)
    assert parameters_chosen(*found) == {"estimator__C": 0.5}
    assert parameters_chosen(found[0], []) == {}


def test_the_second_fit_on_the_same_rows_is_the_first(tmp_path) -> None:
    """The same recipe and rows give the same model."""
    rows, project = past_rows(count=200), project_of(tmp_path)
    fitted = fit_recipe(project, None, rows, ["size"], columns_with_gaps(rows))
    again, features = refit_recipe(project, None, fitted.contract, rows, rows, fitted.chosen)
    assert features.equals(fitted.features)
    assert fitted.classes == (0, 1)
    assert np.array_equal(again.predict_proba(features), fitted.pipeline.predict_proba(features))
