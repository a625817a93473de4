"""Who is held back, and what labels of rows that were not are worth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from regrow.base.verdict import Finding
from regrow.decisions.hold_back import find_judged, is_held_back
from regrow.decisions.performance import Holdout, judge_performance
from regrow.decisions.rollout.assignment import is_challengers, is_mirrored
from regrow.models.metrics import score
from regrow.project import PerformanceRule

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ENTITIES = [f"e{number}" for number in range(5_000)]


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_the_share_is_held_back(share: float) -> None:
    """Of 5,000 entities as many are held back as chance gives at that share, within 999 of 1,000 draws."""
    held = sum(is_held_back("churn", key, share) for key in ENTITIES)
    low, high = binom.interval(0.999, len(ENTITIES), share)
    assert low <= held <= high


@given(KEYS, KEYS, st.floats(0, 0.5), st.floats(0, 0.5))
def test_whoever_is_held_back_stays_so(model: str, key: str, one: float, other: float) -> None:
    """A larger share holds back the same entities and more; a share of 0 holds back nobody."""
    low, high = sorted((one, other))
    assert is_held_back(model, key, low) <= is_held_back(model, key, high)
    assert not is_held_back(model, key, 0.0)


def test_it_is_drawn_apart_from_rollouts_and_other_models() -> None:
    """Whom the challenger answers, who is mirrored, and whom another model holds back, say nothing of it."""
    held = np.array([is_held_back("churn", key, 0.5) for key in ENTITIES])
    others = {
        "arm": [is_challengers("v4-a", key, 0.5) for key in ENTITIES],
        "mirror": [is_mirrored("v4-a", key, 0.5) for key in ENTITIES],
        "model": [is_held_back("fraud", key, 0.5) for key in ENTITIES],
    }
    for name, other in others.items():
        assert abs(np.corrcoef(held, other)[0, 1]) < 3.5 / np.sqrt(len(ENTITIES)), name


@pytest.mark.parametrize(
    ("held", "judged"),
    [
        ([None, None], [True, True]),
        ([None, True, False], [False, True, False]),
        ([False, False], [False, False]),
        ([], []),
    ],
)
def test_labels_of_others_do_not_count_once_some_are_held_back(
    held: list[bool | None], judged: list[bool]
) -> None:
    """Without a hold-back all rows are judged; with one those held back, and none if chance held nobody back."""
    rows = pd.DataFrame({"held_back": pd.Series(held, dtype=object)})
    assert find_judged(rows).tolist() == judged


def judge(target: np.ndarray, prediction: np.ndarray, figure: float) -> Finding:
    """Judge by area under the ROC curve, against a holdout of ten thousand rows that nobody acted on."""
    rule = PerformanceRule(tolerance=0.03, confidence=0.95, least_rows=100)
    return judge_performance(target, prediction, Holdout("roc_auc", figure, 10_000, (0, 1)), rule)


@pytest.mark.parametrize("sound", [True, False])
def test_the_alarm_is_right_on_rows_that_were_held_back_alone(sound: bool) -> None:
    """Half of the customers who are called because they would leave stay: a sound model looks broken on all rows.

    On those that were held back it shows the figure that it has without anybody acting, and a broken one is found.
    """
    random = np.random.default_rng(0)
    rows = 20_000
    leaves = random.random(rows) < 0.3
    signal = random.normal(size=rows) + 1.5 * leaves
    seen = signal if sound else random.permutation(signal)
    positive = 1 / (1 + np.exp(-(seen - 0.75)))
    prediction = np.column_stack([1 - positive, positive])
    held = np.array([is_held_back("churn", str(row), 0.1) for row in range(rows)])
    called = (positive > 0.5) & ~held
    came = leaves & ~(called & (random.random(rows) < 0.5))
    true_figure = score("roc_auc", leaves.astype(int), np.column_stack([-signal, signal]), (0, 1))

    everybody = judge(came.astype(int), prediction, true_figure)
    back = judge(came[held].astype(int), prediction[held], true_figure)
    assert everybody.failed
    assert back.passed == sound
    if sound:
        assert everybody.figure is not None
        assert back.figure is not None
        assert back.figure == pytest.approx(true_figure, abs=0.02)
        assert everybody.figure < true_figure - 0.05
