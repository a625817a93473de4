"""scikit-learn's scorers, asked of predictions."""

import numpy as np
import pytest
from sklearn import metrics as sk

from regrow.project.scorers import ask

random = np.random.default_rng(0)
TRUTH = random.integers(0, 2, 60)
POSITIVE = np.clip(TRUTH * 0.3 + random.random(60) * 0.7, 0, 1)
TWO = np.column_stack([1 - POSITIVE, POSITIVE])


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("precision", sk.precision_score(TRUTH, POSITIVE > 0.5)),
        ("roc_auc", sk.roc_auc_score(TRUTH, POSITIVE)),
        ("neg_log_loss", -sk.log_loss(TRUTH, POSITIVE)),
    ],
)
def test_a_scorer_says_of_probabilities_what_scikit_learn_says(metric: str, expected: float) -> None:
    """Classes, the positive class's probability, and all probabilities reach the scorer, with its sign."""
    assert ask(metric, TRUTH, TWO) == pytest.approx(expected)


def test_a_scorer_of_numbers() -> None:
    """A regression's scorer gets the numbers."""
    assert ask("neg_max_error", np.array([1.0, 2.0]), np.array([1.5, 2.1])) == pytest.approx(-0.5)
