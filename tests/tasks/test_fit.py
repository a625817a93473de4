"""What a fit is made of, beside the pipeline itself."""

from collections.abc import Callable

import pandas as pd
import pytest

from regrow.base.errors import ProjectError
from regrow.data.snapshots import Snapshot
from regrow.models.results import Parts
from regrow.project import Project
from tasks.fit import check_metrics, recipe_of

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


def test_another_share_held_back_is_another_recipe(project: Callable[..., Project]) -> None:
    """A model keeps its share for the server, so a file that asks for another one does not get the model of before."""
    rows = Snapshot(uri="file:///none", digest="0" * 64, rows=0, columns={})
    parts = Parts(training=rows, holdout=rows, known=rows)
    made = project()
    other = made.model_copy(update={"deployment": made.deployment.model_copy(update={"hold_back": 0.02})})
    assert recipe_of(made, parts) == recipe_of(made, parts) != recipe_of(other, parts)


@pytest.mark.parametrize("chosen", [True, False])
def test_windows_that_are_chosen_by_another_metric_are_another_recipe(
    project: Callable[..., Project], chosen: bool
) -> None:
    """The primary metric chooses among several windows; without a choice it changes no fit."""
    rows = Snapshot(uri="file:///none", digest="0" * 64, rows=0, columns={})
    parts = Parts(training=rows, holdout=rows, known=rows)
    windows = {"windows": ["10d", "all"]} if chosen else {}
    made = project(training={"estimator": LOGISTIC, **windows}, evaluation={"primary": "roc_auc"})
    other = made.model_copy(update={"evaluation": made.evaluation.model_copy(update={"primary": "log_loss"})})
    assert (recipe_of(made, parts) != recipe_of(other, parts)) is chosen
