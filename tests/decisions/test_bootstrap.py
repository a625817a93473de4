"""The law of the resamples: a metric of counted rows is that metric of the rows, each as often as it was drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.decisions.bootstrap import weighted
from regrow.models.metrics import score


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    metric=st.sampled_from(["roc_auc", "log_loss", "brier", "accuracy"]),
    digits=st.integers(1, 8),
)
def test_counts_stand_for_rows(seed, metric, digits):
    """Counting rows gives what scoring them one by one gives, with many ties (few *digits*) as with none."""
    random = np.random.default_rng(seed)
    target = random.integers(2, size=50)
    target[:2] = [0, 1]
    positive = np.clip(np.round(random.random(50), digits), 0.01, 0.99)
    prediction = np.column_stack([1 - positive, positive])
    counts = np.r_[1, 1, random.integers(4, size=48)]
    drawn = np.repeat(np.arange(50), counts)
    expected = score(metric, target[drawn], prediction[drawn], (0, 1))
    assert weighted(metric, target, prediction, (0, 1))(counts) == pytest.approx(expected, abs=1e-12)


def test_one_class_has_no_ranking():
    """A resample without a row of each class has no area under its curve."""
    prediction = np.array([[0.3, 0.7], [0.6, 0.4]])
    assert np.isnan(weighted("roc_auc", np.array([0, 1]), prediction, (0, 1))(np.array([2, 0])))
