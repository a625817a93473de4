"""Metrics: directions, shapes, and the rows on which they mean nothing."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from regrow.base.errors import DataError, ProjectError
from regrow.models.metrics import as_judged, encode, score, scorer, sign
from regrow.project import metrics
from regrow.project.metrics import bind_metrics, higher_is_better

TARGET = np.array([False, True, True, False])
RIGHT = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.7, 0.3]])


@pytest.mark.parametrize(
    ("metric", "best"), [("roc_auc", 1), ("average_precision", 1), ("accuracy", 1), ("f1", 1)]
)
def test_right_ranking_scores_best(metric, best):
    """A model that ranks and places every row right reaches the best figure."""
    assert score(metric, TARGET, RIGHT, (False, True)) == best


def test_brier_is_the_positive_class_alone():
    """The Brier score of two classes is the mean squared error of P(positive)."""
    assert score("brier", TARGET, RIGHT, (False, True)) == pytest.approx((0.01 + 0.04 + 0.01 + 0.09) / 4)


def test_rmse_is_in_the_target_unit():
    """An error of 2 in every row is an RMSE of 2."""
    assert score("rmse", [1.0, 2.0], np.array([3.0, 4.0])) == pytest.approx(2)


def test_three_classes_score():
    """Text labels of three classes are scored in the order of the classes."""
    assert score("roc_auc", ["a", "b", "c"], np.eye(3), ("a", "b", "c")) == 1


def test_one_class_only_is_an_error():
    """A target with one class only says so, and what to do."""
    with pytest.raises(DataError, match=r"one class only in 4 rows.*widen the window"):
        score("roc_auc", [True] * 4, RIGHT, (False, True))


def test_metric_must_fit_the_model():
    """A regression's metric for a classifier is an error of the project file."""
    with pytest.raises(ProjectError, match="rmse does not measure a classifier"):
        score("rmse", TARGET, RIGHT, (False, True))


def test_unknown_label_is_named():
    """Labels that the model has no class for are named, counted, and given a remedy."""
    said = r"3 of 4 rows .*\['no', 'yes'\] \('maybe' in 2, nan in 1\); correct these labels"
    with pytest.raises(DataError, match=said):
        encode(["yes", "maybe", None, "maybe"], ("no", "yes"))


def test_error_metrics_are_better_low():
    """Errors and losses are better low; ranks and shares are better high."""
    assert higher_is_better("roc_auc")
    assert not higher_is_better("rmse")


METRICS = """
import numpy as np
def cost(target, decision):
    return float(((target == 1) & (decision == 0)).sum() * 5 + ((target == 0) & (decision == 1)).sum())
def mean(target, prediction):
    return float(np.mean(prediction - target))
def none(target, prediction):
    return float("nan")
def text(target, prediction):
    return "good"
def broken(target, prediction):
    return 1 / 0
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a file of own metrics beside a project file that names them, and forget those of other tests."""
    monkeypatch.setattr(metrics, "_FILES", {})
    (tmp_path / "scores.py").write_text(METRICS)
    names = [f"{way}scores:{name}" for way in "+-" for name in ("cost", "mean", "none", "text", "broken")]
    bind_metrics(tmp_path / "demo.yaml", names)


def test_an_own_metric_gets_places_of_classes(own: None) -> None:
    """`decision` gets the decided class, `prediction` the positive class's probability, the target 0 and 1."""
    wrong = np.array([[0.1, 0.9], [0.9, 0.1]])
    assert score("-scores:cost", ["no", "yes"], wrong, ("no", "yes")) == 6
    assert score("-scores:mean", ["no", "yes"], wrong, ("no", "yes")) == pytest.approx(0)
    assert score("-scores:mean", [1.0, 2.0], np.array([2.0, 4.0])) == pytest.approx(1.5)
    assert sign("-scores:cost") == -1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", r"-scores:none: is nan on these 2 rows"),
        ("text", r"-scores:text raised: ValueError"),
        ("broken", r"-scores:broken raised: ZeroDivisionError: .*scores\.py, line 12"),
    ],
)
def test_an_own_metric_that_gives_no_number_is_named(own: None, name: str, message: str) -> None:
    """NaN, something that is no number, and an exception name the metric and what happened."""
    with pytest.raises(DataError, match=message):
        score(f"-scores:{name}", [1.0, 2.0], np.array([2.0, 4.0]))


def test_a_scorer_of_scikit_learn_scores_classes_by_their_place() -> None:
    """Text classes are no obstacle to a scorer that wants 0 and 1."""
    assert score("precision", ["no", "yes"], np.array([[0.1, 0.9], [0.1, 0.9]]), ("no", "yes")) == 0.5


def test_a_scorer_that_is_undefined_says_so() -> None:
    """A scorer that refuses the rows is an error of the data, which names it."""
    with pytest.raises(DataError, match=r"neg_mean_poisson_deviance: cannot be computed on these 2 rows"):
        score("neg_mean_poisson_deviance", [1.0, 2.0], np.array([-1.0, 4.0]))


def test_a_threshold_moves_decisions_and_nothing_else(own: None) -> None:
    """Metrics of the decided class see what the threshold decides, the others the probabilities."""
    prediction = np.array([[0.7, 0.3], [0.9, 0.1], [np.nan, np.nan]])
    assert as_judged("f1", prediction, 0.25)[:2].tolist() == [[0, 1], [1, 0]]
    assert np.isnan(as_judged("f1", prediction, 0.25)[2]).all()
    assert as_judged("-scores:cost", prediction, 0.3)[:2].tolist() == [[0, 1], [1, 0]]
    for metric, threshold in (("roc_auc", 0.25), ("f1", None), ("-scores:mean", 0.25)):
        assert as_judged(metric, prediction, threshold) is prediction
    assert score("accuracy", [1, 0], as_judged("accuracy", prediction[:2], 0.25), (0, 1)) == 1


def test_a_search_chooses_by_the_same_metric() -> None:
    """What a search maximises is the metric itself, turned so that greater is better."""
    numbers = np.linspace(0, 1, 40).reshape(-1, 1)
    ridge = Ridge().fit(numbers, numbers[:, 0])
    assert scorer("rmse")(ridge, numbers, numbers[:, 0]) == -score(
        "rmse", numbers[:, 0], ridge.predict(numbers)
    )
    words = np.where(numbers[:, 0] > 0.5, "yes", "no")
    model = LogisticRegression().fit(numbers, words)
    expected = score("log_loss", words, model.predict_proba(numbers), ("no", "yes"))
    assert scorer("log_loss")(model, numbers, words) == -expected
