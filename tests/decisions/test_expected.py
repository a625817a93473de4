"""A metric of which only the probabilities of the classes are known."""

import numpy as np
import pytest

from regrow.decisions.expected import expect, known
from regrow.models.metrics import Floats, score
from regrow.project.metrics import CLASSIFICATION


def drawn(classes: int, rows: int = 4000, seed: int = 0) -> tuple[Floats, Floats]:
    """Draw the true chances of rows, and predictions that are wrong in a rounded way, so that some are equal."""
    random = np.random.default_rng(seed)
    chance = random.dirichlet(np.linspace(0.5, 1.5, classes), rows)
    seen = np.round(chance**1.5 + 0.05, 2)
    return chance, seen / seen.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("metric", sorted(CLASSIFICATION))
@pytest.mark.parametrize("classes", [2, 3])
def test_of_known_classes_it_is_the_metric_itself(metric: str, classes: int) -> None:
    """With a probability of 1 for the class of each row the figure is scikit-learn's."""
    chance, seen = drawn(classes, 500)
    codes = chance.argmax(axis=1)
    figure, pulled = expect(metric, known(codes, classes), seen)
    assert figure == pytest.approx(score(metric, codes, seen, range(classes)))
    assert pulled.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("metric", sorted(CLASSIFICATION))
@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_what_labels_show_on_average(metric: str, classes: int) -> None:
    """Of labels that are drawn by the probabilities the metric comes out as expected, on average."""
    chance, seen = drawn(classes)
    random = np.random.default_rng(1)
    draws = (random.random((len(chance), 1)) > chance.cumsum(axis=1)[:, :-1] for _ in range(60))
    scores = [score(metric, each.sum(axis=1), seen, range(classes)) for each in draws]
    error = np.std(scores, ddof=1) / np.sqrt(len(scores))
    assert expect(metric, chance, seen)[0] == pytest.approx(np.mean(scores), abs=4 * error)


@pytest.mark.parametrize("metric", sorted(CLASSIFICATION))
def test_a_rows_pull_is_what_more_of_it_changes(metric: str) -> None:
    """A row that counts once more moves the figure by its pull: in closed form it is the derivative."""
    chance, seen = drawn(3)
    figure, pulled = expect(metric, chance, seen)
    for row in (0, 1, 2):
        twice = np.concatenate([np.arange(len(seen)), np.repeat(row, 4)])
        moved = expect(metric, chance[twice], seen[twice])[0] - figure
        assert moved == pytest.approx(4 * pulled[row], rel=0.05, abs=1e-6)


def test_without_a_class_it_is_undefined() -> None:
    """If no row can be of a class there is nothing to rank."""
    seen = np.array([[0.4, 0.6], [0.7, 0.3]])
    assert np.isnan(expect("roc_auc", known(np.array([1, 1]), 2), seen)[0])
    assert np.isnan(expect("average_precision", known(np.array([0, 0]), 2), seen)[0])


def test_another_metric_is_refused() -> None:
    """A metric without a formula here raises instead of giving that of another one."""
    with pytest.raises(KeyError):
        expect("rmse", np.ones((2, 2)) / 2, np.ones((2, 2)) / 2)
