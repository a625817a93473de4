"""The hold-back: rows whose prediction nobody acts on, so that their labels show what would have come without it.

A client that acts on a prediction may change what comes true: customers who are called because they were about to
leave stay, a payment that is stopped is never found to be sound. No analysis of such labels alone can tell how good
the model is. A share of the entities, drawn at random, is treated as if there were no model.
"""

import numpy as np
import pandas as pd

from regrow.decisions.rollout.assignment import position


def is_held_back(model: str, key: str, share: float) -> bool:
    """Return whether the predictions of *model* for *key* are held back; who is at a share is so at any higher one.

    *key* is the entity's id, or the prediction's if the row names nobody. It is drawn apart from every rollout, and the
    same for every version of the model.
    """
    return position(f"{model}/hold-back", key) < share


def find_judged(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Return which of *rows* of the prediction log may be judged by their labels.

    If any of them was answered while a share was held back, those that were held back alone; else all.
    """
    if rows["held_back"].isna().all():
        return pd.Series(np.ones(len(rows), np.bool_), rows.index)
    return rows["held_back"].isin([True])
