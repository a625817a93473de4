"""The preprocessing by type: what becomes of numbers, text and dates before the estimator."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from regrow.base.errors import DataError
from regrow.models.dates import DateAges, DateParts
from regrow.models.words import Words
from regrow.project.training import ByType

MOST_CATEGORIES = 50
"""Columns that one text column becomes at most, unless the file says otherwise."""
OWN_VALUES, LEAST_TEXTS = 0.95, 100
"""A text column of at least so many filled rows is no category if this share of its values are different ones."""
NO_TEXT = "training.preprocessing.words names it, and it holds no text; take it out there"
Part = tuple[str, Any, list[str]]


def preprocess_by_type(
    asked: ByType, features: pd.DataFrame, takes_missing: bool, timestamp: str | None = None
) -> ColumnTransformer:
    """Return the preprocessing of *features* for an estimator that *takes_missing* values, or does not.

    The first gets numbers as they are and text as ordinals; the other median-filled, scaled numbers and one-hot text.
    A category that was never seen counts as missing. Ages are before the column *timestamp*.
    Raises `DataError` naming a date that nothing says how to read, or a text column that is an identifier.
    """
    held = {str(name): held_by(features[name]) for name in features}
    words = [name for name in held if name in asked.words]
    text = [name for name, what in held.items() if what == "text" and name not in asked.words]
    dates = [name for name, what in held.items() if what == "date"]
    numbers = [name for name, what in held.items() if what in {"number", "boolean"}]
    for name in features:
        if why := why_refused(asked, features[name]):
            raise DataError(why)
    parts: list[Part] = [
        ("text", _encoder(asked, takes_missing), text),
        ("numbers", _numbers(asked, takes_missing), numbers),
    ]
    parts += _dates(asked, dates, takes_missing, timestamp)
    parts.append(("words", Words(asked.words), words))
    if asked.missing_indicators and takes_missing:
        parts.append(("missing", MissingIndicator(features="all"), numbers))
    return ColumnTransformer([part for part in parts if part[2]], verbose_feature_names_out=False)


def missing_words(asked: ByType, names: Collection[str]) -> list[str]:
    """Return what is wrong with each column of `words` that is none of the features *names*."""
    return [
        f"training.preprocessing.words: `{name}` is no feature; write a column of data.features"
        for name in asked.words
        if name not in names
    ]


def held_by(values: pd.Series) -> str:
    """Return what *values* are: `boolean`, `date`, `number` or `text`."""
    if types.is_bool_dtype(values):
        return "boolean"
    if types.is_datetime64_any_dtype(values):
        return "date"
    return "number" if types.is_numeric_dtype(values) else "text"


def _encoder(asked: ByType, takes_missing: bool) -> Any:
    """Make what turns text into numbers."""
    if takes_missing:
        return OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            encoded_missing_value=np.nan,
            max_categories=asked.max_categories,
            min_frequency=asked.min_frequency,
        )
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=asked.max_categories or MOST_CATEGORIES,
        min_frequency=asked.min_frequency,
        sparse_output=False,
    )


def _numbers(asked: ByType, takes_missing: bool) -> Any:
    """Make what becomes of numbers."""
    if takes_missing:
        return StandardScaler() if asked.scale else "passthrough"
    imputer = SimpleImputer(
        strategy="median", keep_empty_features=True, add_indicator=asked.missing_indicators
    )
    return imputer if asked.scale is False else make_pipeline(imputer, StandardScaler())


def _dates(asked: ByType, dates: list[str], takes_missing: bool, timestamp: str | None) -> list[Part]:
    """Make numbers of *dates* as the file asks for."""
    own = [name for name in dates if name != timestamp]
    if not own:
        return []
    maker, taken = (DateParts(), own) if asked.dates == "parts" else (DateAges(), [*own, str(timestamp)])
    numbers = _numbers(asked.model_copy(update={"missing_indicators": False}), takes_missing)
    return [("dates", maker if numbers == "passthrough" else make_pipeline(maker, numbers), taken)]


def why_refused(asked: ByType, values: pd.Series) -> str | None:
    """Return why *values* are no feature as they are, and what to do: a date, or text with a value per row."""
    what = held_by(values)
    if what == "date" and asked.dates is None:
        return (
            f"column `{values.name}`: a date is no feature by itself; write `training: {{ preprocessing: {{ dates: "
            "age } }` for days before the event, or `parts` for year, month, day, weekday and hour, derive "
            "numbers from it in the source, or leave it out of data.features"
        )
    if values.name in asked.words:
        return f"column `{values.name}`: {NO_TEXT}" if what != "text" else None
    filled, different = int(values.notna().sum()), values.nunique() if what == "text" else 0
    if filled >= LEAST_TEXTS and different >= OWN_VALUES * filled:
        return (
            f"column `{values.name}`: {different} of {filled} rows hold a text of their own, so it names rows or is "
            f"free text, and no category: leave it out of data.features, or make features of its words by `training: "
            f"{{ preprocessing: {{ words: {{ {values.name}: 200 }} }} }}`"
        )
    return None
