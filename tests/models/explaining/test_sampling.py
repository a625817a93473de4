"""Attributions of any model by walks from training rows to the row."""

from itertools import permutations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from regrow.models.explaining import sampling
from regrow.models.explaining.sampling import LEAST, attribute, sampled_rows

NUMBERS = st.floats(-10, 10)


def predict(frame: pd.DataFrame) -> np.ndarray:
    """Predict by a rule with an interaction, a text and a column that plays no part."""
    found = frame["a"] * frame["b"] + (frame["text"] == "yes") * frame["a"] ** 2
    return found.to_numpy(float)[:, None]


def table(rows: int, seed: int = 0) -> pd.DataFrame:
    """Make rows of numbers and text."""
    draw = np.random.default_rng(seed)
    numbers = {name: draw.normal(size=rows) for name in ("a", "b", "idle")}
    return pd.DataFrame(numbers | {"text": pd.array(draw.choice(["yes", "no"], rows), dtype="str")})


@given(NUMBERS, NUMBERS, st.sampled_from(["yes", "no", None]))
def test_contributions_add_up_and_idle_columns_add_nothing(a, b, text):
    """Base and contributions are the prediction of the row, and a column that the model ignores has none."""
    row = pd.DataFrame({"a": [a], "b": [b], "idle": [1.0], "text": pd.array([text], dtype="str")})
    base, values = attribute(predict, row, table(20))
    np.testing.assert_allclose(base + values.sum(axis=1), predict(row), atol=1e-9)
    assert values[0, 2, 0] == 0


def test_the_mean_over_walks_is_shapleys_value():
    """Against the mean over every order and every training row, the sampled contributions are off by luck alone."""
    row, background = table(1, seed=5), table(32, seed=1)
    names = list(row)
    exact = np.zeros(len(names))
    orders = list(permutations(range(len(names))))
    for order in orders:
        current = background.copy()
        before = predict(current)
        for place in order:
            current[names[place]] = row[names[place]].iloc[0]
            after = predict(current)
            exact[place] += (after - before).mean() / len(orders)
            before = after
    found = np.mean([attribute(predict, row, background, seed)[1][0, :, 0] for seed in range(60)], axis=0)
    np.testing.assert_allclose(found, exact, atol=0.1)
    assert np.abs(exact).max() > 0.3


def test_the_work_is_bounded(monkeypatch):
    """However many rows and columns, the model predicts no more rows than the bound and those that walks begin at."""
    monkeypatch.setattr(sampling, "EVALUATIONS", 5_000)
    asked = []

    def count(frame: pd.DataFrame) -> np.ndarray:
        asked.append(len(frame))
        return np.zeros((len(frame), 1))

    for columns in (3, 300):
        assert sampled_rows(columns)
        asked.clear()
        names = [f"c{n}" for n in range(columns)]
        frame = pd.DataFrame(np.zeros((min(sampled_rows(columns), 40), columns)), columns=names)
        attribute(count, frame, frame)
        assert sum(asked) <= 5_000 + sampling.MOST
    assert sampled_rows(5_000) == 0
    assert sampled_rows(20) * 2 * LEAST * 21 <= 5_000


def test_the_same_rows_give_the_same_contributions():
    """Nothing depends on chance that is not drawn by the seed."""
    row, background = table(2, seed=3), table(30)
    first, second = (attribute(predict, row, background, 4)[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)
