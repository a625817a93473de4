"""Linear models that answer a row in the same way, whatever rows stand beside it.

A library of linear algebra adds up a product of matrices in an order that depends on their sizes and on how they lie
in memory: the last bit of a row's answer is another one in a request than in a batch.
"""

from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

# Private: the two classes in which scikit-learn multiplies; a test notices if models no longer do it there.
from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
from sklearn.utils.validation import validate_data

from regrow.models.fitted import parts_of

Floats = NDArray[np.float64]
MOST = 1 << 20
"""Products that are in memory at once."""


def answer_rows_alone(estimator: object) -> None:
    """Let every linear part of the fitted *estimator* add up each row by itself; what multiplies otherwise is left."""
    for part in parts_of(estimator):
        if isinstance(part, LinearClassifierMixin):
            _replace(part, LinearClassifierMixin, decision_function)
        elif isinstance(part, LinearModel):
            # Private: regressions multiply in it, and no public name stands for it.
            _replace(part, LinearModel, _decision_function)


def _replace(part: Any, kind: type, ours: Callable[[Any, Any], Floats]) -> None:
    """Put *ours* in the place of the method of its name of *part*, if that is the one of *kind* and no other."""
    name = ours.__name__
    if getattr(type(part), name, None) is getattr(kind, name) and hasattr(part, "coef_"):
        setattr(part, name, MethodType(ours, part))


def decision_function(estimator: Any, rows: Any) -> Floats:
    """Return the scores of *rows*: `(rows,)` for two classes, else `(rows, classes)`."""
    rows = validate_data(estimator, rows, accept_sparse="csr", reset=False)
    scores = multiply(rows, np.atleast_2d(estimator.coef_)) + estimator.intercept_
    return scores.reshape(-1) if scores.shape[1] == 1 else scores


def _decision_function(estimator: Any, rows: Any) -> Floats:
    """Return the predictions of *rows*: `(rows,)`, or `(rows, targets)` of several."""
    rows = validate_data(estimator, rows, accept_sparse=["csr", "csc", "coo"], reset=False)
    found = multiply(rows, np.atleast_2d(estimator.coef_))
    return (found[:, 0] if estimator.coef_.ndim == 1 else found) + estimator.intercept_


def multiply(rows: Any, weights: NDArray[Any]) -> NDArray[Any]:
    """Return the product of *rows*, `(rows, columns)`, and *weights*, `(outputs, columns)`: `(rows, outputs)`.

    Each sum is over a row's own products in memory, so neither the number of rows nor their layout plays a part.
    """
    if issparse(rows):  # Added up row by row already.
        return np.asarray(rows.tocsr() @ weights.T)
    rows, outputs = np.ascontiguousarray(rows), []
    step = max(1, MOST // max(1, rows.shape[1]))
    for weight in weights:
        pieces = [(rows[start : start + step] * weight).sum(axis=1) for start in range(0, len(rows), step)]
        outputs.append(np.concatenate(pieces) if pieces else np.zeros(0))
    return np.stack(outputs, axis=1)
