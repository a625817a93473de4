"""Which raw column each column of the prepared matrix was made of, so that what it adds is counted there."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from regrow.models.dates import PARTS, DateAges, DateParts
from regrow.models.words import Words

Names = list[str]


def origins_of(transformer: Any, columns: Sequence[str], width: int) -> Names | None:
    """Return the raw column of each of the *width* columns that the fitted *transformer* makes of *columns*, in order.

    None if a part of it is not known, or mixes several columns in one. An age is of its date alone, although it is
    counted from the event's time.
    """
    found = _made_of(transformer, list(columns))
    return found if found is not None and len(found) == width else None


def _made_of(part: Any, names: Names) -> Names | None:
    """Return the origin of each column that *part* makes of columns of the origins *names*."""
    if isinstance(part, str):
        return names if part == "passthrough" else []
    for kind, follow in FOLLOWED.items():
        if isinstance(part, kind):
            return follow(part, names)
    return None


def _by_steps(steps: Sequence[Any], names: Names) -> Names | None:
    """Follow *names* through one step after the other."""
    found: Names | None = names
    for step in steps:
        if found is not None and step is not None:
            found = _made_of(step, found)
    return found


def _side_by_side(columns: ColumnTransformer, names: Names) -> Names | None:
    """Put what the parts of *columns* make beside each other, as it does."""
    known = [str(name) for name in getattr(columns, "feature_names_in_", range(len(names)))]
    origins = dict(zip(known, names, strict=True)) if len(known) == len(names) else {}
    found: Names = []
    for _, part, taken in columns.transformers_:
        chosen = _chosen(taken, known)
        if chosen is None or any(name not in origins for name in chosen):
            return None
        made = _made_of(part, [origins[name] for name in chosen]) if chosen else []
        if made is None:
            return None
        found += made
    return found


def _chosen(taken: Any, known: Names) -> Names | None:
    """Return the names of the columns *taken*, given by name or by place; None if they are given in another way."""
    if isinstance(taken, str):
        return [taken]
    if isinstance(taken, slice) or callable(taken):
        return None
    values: list[Any] = list(taken)
    if all(isinstance(value, str) for value in values):
        return [str(value) for value in values]
    if all(isinstance(value, int | np.integer) and not isinstance(value, bool) for value in values):
        return [known[int(value)] for value in values]
    return None


def _one_hot(encoder: Any, names: Names) -> Names:
    """Repeat each name as often as *encoder* makes columns of it."""
    rare = getattr(encoder, "infrequent_categories_", None) or [None] * len(names)
    dropped = [None] * len(names) if encoder.drop_idx_ is None else list(encoder.drop_idx_)
    found: Names = []
    for name, categories, few, left_out in zip(names, encoder.categories_, rare, dropped, strict=True):
        width = len(categories) - (len(few) - 1 if few is not None else 0) - (left_out is not None)
        found += [name] * width
    return found


def _imputed(imputer: Any, names: Names) -> Names:
    """Return *names* without those that *imputer* drops, and those that it marks the gaps of."""
    empty = [isinstance(value, float) and np.isnan(value) for value in imputer.statistics_]
    stay = imputer.keep_empty_features
    kept = [name for name, gone in zip(names, empty, strict=True) if stay or not gone]
    marked = [] if imputer.indicator_ is None else [names[place] for place in imputer.indicator_.features_]
    return kept + marked


FOLLOWED: dict[type, Callable[[Any, Names], Names | None]] = {
    Pipeline: lambda part, names: _by_steps([step for _, step in part.steps], names),
    ColumnTransformer: _side_by_side,
    OneHotEncoder: _one_hot,
    SimpleImputer: _imputed,
    MissingIndicator: lambda part, names: [names[place] for place in part.features_],
    FunctionTransformer: lambda part, names: names if part.func is None else None,
    DateParts: lambda part, names: [name for name in names for _ in PARTS],
    DateAges: lambda part, names: names[:-1],
    Words: lambda part, names: [
        name for name, width in zip(names, part.widths, strict=True) for _ in range(width)
    ],
    OneToOneFeatureMixin: lambda part, names: names,
}
"""The transformers that are known, each with what it makes of the columns that it gets."""
