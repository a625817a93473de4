"""Attributions for any model: the raw columns of a row take the place of a training row's, one after the other."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEAST, MOST = 8, 32
"""Training rows that a row is compared with, each by two orders of the columns."""
EVALUATIONS = 100_000
"""Rows that the model predicts at most for one call."""


def sampled_rows(columns: int) -> int:
    """Return how many rows of *columns* columns can be explained within `EVALUATIONS`."""
    return EVALUATIONS // (2 * LEAST * (columns + 1))


def attribute(
    predict: Callable[[pd.DataFrame], Floats], rows: pd.DataFrame, background: pd.DataFrame, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return the base `(outputs,)` and what each column of each of *rows* adds, `(rows, columns, outputs)`.

    *predict* returns `(rows, outputs)`; *background* are training rows of the same columns, of which `LEAST` to `MOST`
    are taken. From each of them a walk leads to the row: one column after the other, in a random order and in its
    reverse, takes the row's value, and is credited with the change of the prediction. The mean over the walks is an
    unbiased estimate of the Shapley value (Štrumbelj and Kononenko 2014, Mitchell et al. 2022), and all of them add up
    to the prediction less the base, the mean prediction of the training rows that were taken.
    """
    count, width = rows.shape
    pairs = max(LEAST, min(MOST, len(background), EVALUATIONS // (2 * (width + 1) * max(1, count))))
    pairs = min(pairs, len(background))
    generator = np.random.default_rng(seed)
    started = background.iloc[generator.choice(len(background), pairs, replace=False)]
    orders = np.stack([generator.permutation(width) for _ in range(pairs)])
    orders = np.concatenate([orders, orders[:, ::-1]])
    starts = np.tile(np.arange(pairs), 2)
    # (walks, steps + 1, columns): whether the row's own value stands there after so many steps.
    replaced = np.argsort(orders, axis=1)[:, None, :] < np.arange(width + 1)[None, :, None]
    base = predict(started).mean(axis=0)
    values = np.stack(
        [_walk(predict, rows.iloc[[place]], started, replaced, starts, orders) for place in range(count)]
    )
    return base, values


def _walk(
    predict: Callable[[pd.DataFrame], Floats],
    row: pd.DataFrame,
    started: pd.DataFrame,
    replaced: NDArray[np.bool_],
    starts: NDArray[np.intp],
    orders: NDArray[np.intp],
) -> Floats:
    """Return what each column of *row* adds, `(columns, outputs)`: the mean over the walks."""
    walks, steps, width = replaced.shape
    pool = pd.concat([started, row], ignore_index=True)
    places = np.where(replaced, len(started), starts[:, None, None]).reshape(-1, width)
    frame = pd.DataFrame(
        {name: pool[name].array.take(places[:, column]) for column, name in enumerate(pool.columns)}
    )
    changes = np.diff(predict(frame).reshape(walks, steps, -1), axis=1)
    # The change at a step is of the column that the order names there.
    by_column = np.take_along_axis(changes, np.argsort(orders, axis=1)[:, :, None], axis=1)
    return by_column.mean(axis=0)
