"""The metrics that a project file may name."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError
from sklearn.metrics import get_scorer_names

from regrow.base.errors import ProjectError
from regrow.project.metrics import (
    BUILT_IN,
    CLASSIFICATION,
    LOWER_IS_BETTER,
    REGRESSION,
    Metric,
    bind_metrics,
    check_metric,
    decides,
    higher_is_better,
    own_metric,
)
from regrow.project.scorers import OF_CLUSTERS

NAMED = TypeAdapter(Metric)


def test_each_metric_measures_one_kind_of_model() -> None:
    """Every metric is of a regression or of a classifier, and what is better low is a metric."""
    assert BUILT_IN == REGRESSION | CLASSIFICATION
    assert not REGRESSION & CLASSIFICATION
    assert BUILT_IN >= LOWER_IS_BETTER


@pytest.mark.parametrize("metric", sorted(BUILT_IN))
def test_a_metric_that_does_not_measure_the_model_is_named(metric: Metric) -> None:
    """A metric fits a regression or both kinds of classifier; the error names its key and those that fit."""
    fits, other = (
        (["regression"], ["binary", "multiclass"])
        if metric in REGRESSION
        else (["binary", "multiclass"], ["regression"])
    )
    for kind in fits:
        check_metric(metric, kind)
    for kind in other:
        with pytest.raises(ProjectError) as raised:
            check_metric(metric, kind, "evaluation.primary")
        said, _, choices = str(raised.value).partition("; choose from ")
        assert said.startswith(f"evaluation.primary: {metric} does not measure a")
        for choice in choices.partition(";")[0].split(", "):
            check_metric(choice, kind)


@pytest.mark.parametrize(
    "metric", ["precision", "neg_mean_absolute_percentage_error", "-metrics:cost", "roc_auc"]
)
def test_built_in_scorers_and_own_functions_are_metrics(metric: str) -> None:
    """A metric is one of ours, any scorer of scikit-learn, or a function beside the file with its direction."""
    assert NAMED.validate_python(metric) == metric


@pytest.mark.parametrize(
    ("metric", "message"),
    [("auc", "no such metric; choose from accuracy"), ("metrics:cost", "which direction is better")],
)
def test_what_is_no_metric_is_refused(metric: str, message: str) -> None:
    """A name that nobody knows, and a function without a direction, are refused with what to write."""
    with pytest.raises(ValidationError, match=message):
        NAMED.validate_python(metric)


@pytest.mark.parametrize("metric", get_scorer_names())
def test_every_scorer_measures_one_kind_of_model_at_most(metric: str) -> None:
    """scikit-learn's scorers are sorted by what they measure; those of clusters and of label sets measure neither."""
    fitting = []
    for kind in ("regression", "classification"):
        try:
            check_metric(metric, kind)
            fitting.append(kind)
        except ProjectError:
            continue
    assert len(fitting) == (0 if metric in OF_CLUSTERS or metric.endswith("_samples") else 1)


def test_a_scorer_of_two_classes_does_not_measure_three() -> None:
    """`precision` needs a positive class; the error names the key, `precision_macro` fits."""
    check_metric("precision_macro", "multiclass")
    with pytest.raises(
        ProjectError, match=r"metrics\.0: precision does not measure a classifier of several classes"
    ):
        check_metric("precision", "multiclass", "evaluation.metrics.0")


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("f1", True),
        ("precision_macro", True),
        ("neg_log_loss", False),
        ("roc_auc_ovr", False),
        ("brier", False),
    ],
)
def test_metrics_of_decisions_are_told_from_metrics_of_probabilities(metric: str, expected: bool) -> None:
    """Only a metric of the decided class has to do with a threshold."""
    assert decides(metric) is expected


def test_direction() -> None:
    """Errors and costs are better low; every scorer of scikit-learn is better high."""
    assert [higher_is_better(m) for m in ("rmse", "-metrics:cost", "+metrics:gain", "neg_max_error")] == [
        False,
        False,
        True,
        True,
    ]


def test_an_own_metric_is_found_beside_the_file_that_names_it(tmp_path: Path) -> None:
    """The function is that of the project file; two files that mean different functions by one name are told so."""
    files = [tmp_path / name / "demo.yaml" for name in ("one", "two")]
    for place, file in enumerate(files):
        file.parent.mkdir()
        (file.parent / "metrics.py").write_text(f"def loss_a(target, decision):\n    return {place}.0\n")
    with pytest.raises(ProjectError, match="no project file that was read names this metric"):
        own_metric("-metrics:loss_a")
    bind_metrics(files[0], ["-metrics:loss_a", "rmse"])
    assert own_metric("-metrics:loss_a")(None, None) == 0.0
    assert decides("-metrics:loss_a")
    bind_metrics(files[1], ["-metrics:loss_a"])
    with pytest.raises(ProjectError, match="name different functions by it; rename one"):
        own_metric("-metrics:loss_a")
