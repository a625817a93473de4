"""What a fit is made of, beside the pipeline itself."""

from collections.abc import Callable

import pandas as pd
import pytest

from regrow.base.errors import ProjectError
from regrow.project import Project
from tasks.fit import check_metrics

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
