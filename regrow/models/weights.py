"""How much each training row counts in the fit."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.base.errors import DataError, ProjectError
from regrow.models.fitted import parts_of
from regrow.project.training import HalfLife


def sample_weights(
    asked: str | HalfLife | None, frame: pd.DataFrame, timestamp: str | None
) -> NDArray[np.float64] | None:
    """Return the weight of each row of *frame*: a column of it, or by its age; None if every row counts alike.

    By age a row weighs half as much as one that is a half-life younger; the newest row weighs 1.
    Raises `DataError` naming the row whose weight is missing, negative or infinite.
    """
    if asked is None:
        return None
    if isinstance(asked, HalfLife):
        times = pd.to_datetime(frame[timestamp], utc=True)
        return np.exp2(-((times.max() - times) / pd.Timedelta(asked.half_life)).to_numpy(np.float64))
    where = f"training.sample_weight: column `{asked}`"
    if asked not in frame:
        raise DataError(f"{where}: the data has no such column")
    if not pd.api.types.is_numeric_dtype(frame[asked]):
        raise DataError(f"{where}: holds no numbers; a weight is a number of 0 or more")
    weights = frame[asked].to_numpy(np.float64, na_value=np.nan)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{where}, row {row}: {weights[row]} is no weight ({wrong.sum()} such rows); a weight is a number of 0 or "
            "more, correct it in the source"
        )
    if not weights.any():
        raise DataError(f"{where}: every row weighs 0")
    return weights


def name_classes(estimator: Any, target: pd.Series) -> None:
    """Let every `class_weight` inside of *estimator* name the classes of *target* as they are.

    A project file knows only text for the keys of a mapping. Raises `ProjectError` naming a class that is not there.
    """
    classes = {_text(value): value for value in target.dropna().unique().tolist()}
    for part in parts_of(estimator):
        weights = part.get_params(deep=False).get("class_weight")
        if isinstance(weights, dict):
            part.set_params(class_weight={_class(key, classes): weight for key, weight in weights.items()})


def _class(key: object, classes: dict[str, Any]) -> Any:
    """Return the class that *key* means."""
    if _text(key) not in classes:
        known = ", ".join(sorted(classes))
        raise ProjectError(
            f"training.parameters: class_weight: the target has no class `{key}`; it has {known}"
        )
    return classes[_text(key)]


def _text(value: object) -> str:
    """Write a class as a project file may: true for True, 1 for 1.0."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)
