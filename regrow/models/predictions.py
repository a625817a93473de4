"""The shapes of predictions and labels: as a model returns them, as one column, as the log keeps them."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from regrow.models.metrics import Floats, Label
from regrow.models.results import ModelFacts, ProblemType


class Answering(Protocol):
    """What a model answers with."""

    @property
    def kind(self) -> ProblemType:
        """What it predicts."""
        ...

    @property
    def classes(self) -> Sequence[Label]:
        """Its classes; none of a regression."""
        ...


def ask(model: Any, kind: ProblemType, features: pd.DataFrame) -> Floats:
    """Return what the fitted *model* of *kind* predicts of *features*, in the one shape; raises what it raises."""
    answer = model.predict if kind == "regression" else model.predict_proba
    return np.asarray(answer(features), dtype=np.float64)


def to_column(prediction: Floats, kind: ProblemType) -> Floats | list[list[float]]:
    """Shape *prediction* as one column: the value, P(positive), or the list of probabilities."""
    if kind == "binary":
        return prediction[:, 1]
    return prediction.tolist() if kind == "multiclass" else prediction


def from_column(column: pd.Series, kind: ProblemType) -> Floats:
    """Undo `to_column`."""
    if kind == "multiclass":
        return np.vstack(column.to_list()).astype(np.float64)
    values = column.to_numpy(dtype=np.float64)
    return np.column_stack([1 - values, values]) if kind == "binary" else values


def stack_predictions(column: pd.Series, facts: ModelFacts) -> NDArray[np.float64]:
    """Turn logged predictions into the one shape of `regrow.models.results`: `(rows,)` or `(rows, classes)`.

    A prediction that failed (None) is a row of NaN.
    """
    width = max(len(facts.classes), 1)
    nothing = [np.nan] * width
    values = [nothing if value is None else value for value in column]
    stacked = np.array(values, dtype=np.float64).reshape(len(column), width)
    return stacked[:, 0] if facts.kind == "regression" else stacked


def fit_to(labels: pd.Series, facts: Answering) -> NDArray[np.bool_]:
    """Return which of *labels* can be one of the model's: one of its classes, or a finite number for a regression."""
    if facts.kind == "regression":
        return np.isfinite(pd.to_numeric(labels, errors="coerce").to_numpy(dtype=np.float64))
    classes = {_key(name) for name in facts.classes}
    return np.array([_key(label) in classes for label in labels], dtype=np.bool_)


def restore_labels(labels: pd.Series, facts: ModelFacts) -> NDArray[np.generic]:
    """Return *labels*, as the label table keeps them, as the model's own classes, or as numbers for a regression.

    The label table keeps booleans as numbers. A label that is no class of the model stays as it is.
    """
    if facts.kind == "regression":
        return labels.to_numpy(dtype=np.float64)
    classes = {_key(name): name for name in facts.classes}
    encoded = np.empty(len(labels), dtype=object)
    encoded[:] = [classes.get(_key(label), label) for label in labels]
    return encoded


def as_target(labels: pd.Series, target: pd.Series) -> pd.Series:
    """Return *labels*, as the label table keeps them, as values of *target*; missing if one can be none.

    A label that *target* does not hold yet is a new class if it is a number beside numbers, or text beside text.
    """
    if is_numeric_dtype(target) and not is_bool_dtype(target):
        return pd.to_numeric(labels, errors="coerce").astype(np.float64)
    known = {_key(value): value for value in target.dropna().unique().tolist()}
    istext = all(isinstance(value, str) for value in known.values())
    told = [known.get(_key(label), label if istext and isinstance(label, str) else None) for label in labels]
    return pd.Series(told, labels.index, object)


def _key(label: object) -> str:
    """Write numbers that are equal in one way, numbers in text among them: so does the label table."""
    text = str(float(label)) if isinstance(label, bool) else str(label)
    try:
        return str(float(text))
    except ValueError:
        return text
