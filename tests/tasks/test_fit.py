"""What a fit is made of, beside the pipeline itself."""

from collections.abc import Callable

import pandas as pd
import pytest

from regrow.errors import ProjectError
from regrow.models.fitting import fit_pipeline
from regrow.project import Project, RandomizedSearch, Training
from tasks.fit import check_metrics, parameters_chosen

LOGISTIC = "sklearn.linear_model.LogisticRegression"


def test_a_metric_of_another_number_of_classes_is_found_before_the_fit(
    project: Callable[..., Project],
) -> None:
    """`precision` of three classes is an error with its key as soon as the target is known."""
    made = project(
        training={"estimator": LOGISTIC}, evaluation={"primary": "accuracy", "metrics": ["precision"]}
    )
    check_metrics(made, pd.Series(["a", "b"]))
    with pytest.raises(ProjectError, match=r"evaluation\.metrics\.0: precision does not measure"):
        check_metrics(made, pd.Series(["a", "b", "c"]))


def test_what_a_search_has_chosen_is_kept() -> None:
    """Only the parameters that were searched are named; without a search there are none."""
    features, target = pd.DataFrame({"size": range(40)}), pd.Series([0, 1] * 20)
    search = RandomizedSearch(kind="randomized", space={"C": [0.5]}, trials=1)
    found = fit_pipeline(Training(estimator=LOGISTIC, search=search), features, target)
    assert parameters_chosen(*found) == {"estimator__C": 0.5}
    assert parameters_chosen(found[0], []) == {}
