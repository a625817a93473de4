"""Raw columns as the matrix that a fitted ColumnTransformer makes of them, without a data frame.

Only the transformers that `regrow.models.fitting` builds are known; each answer is asked of the fitted transformer
itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from regrow.base.errors import NoFastPath

Values = Mapping[str, list[Any]]
Table = Mapping[Any, int]
"""The place of each known category's encoding; any other category has the last place."""


class Block(ABC):
    """Adjacent columns of the matrix, made by one transformer from raw columns."""

    @abstractmethod
    def build(self, values: Values) -> NDArray[np.float64]:
        """Make the block's columns of *values*."""


@dataclass(frozen=True)
class Numbers(Block):
    """Numbers as they are."""

    names: tuple[str, ...]

    def build(self, values: Values) -> NDArray[np.float64]:
        """Read None as missing."""
        return np.array([values[name] for name in self.names], dtype=np.float64).T


@dataclass(frozen=True)
class Scaled(Block):
    """Numbers imputed with *fill*, then less *shift* and over *scale*, as scikit-learn does it."""

    numbers: Numbers
    fill: NDArray[np.float64]
    shift: NDArray[np.float64]
    scale: NDArray[np.float64]

    def build(self, values: Values) -> NDArray[np.float64]:
        """Do the arithmetic in scikit-learn's order."""
        numbers = self.numbers.build(values)
        return (np.where(np.isnan(numbers), self.fill, numbers) - self.shift) / self.scale


@dataclass(frozen=True)
class Codes(Block):
    """Text with a code, or a row of zeros and ones, per category."""

    names: tuple[str, ...]
    tables: tuple[Table, ...]
    codes: tuple[NDArray[np.float64], ...]
    """Per column `(categories + 1, width)`: what its encoder makes of each category, last of an unseen one."""

    def build(self, values: Values) -> NDArray[np.float64]:
        """Look up each value."""
        parts = [
            codes[[table.get(value, -1) for value in values[name]]]
            for name, table, codes in zip(self.names, self.tables, self.codes, strict=True)
        ]
        return np.concatenate(parts, axis=1)


def compile_columns(transformer: object, kinds: Mapping[str, str]) -> tuple[Block, ...]:
    """Compile the fitted *transformer* of raw columns of *kinds*; raises `NoFastPath` naming what is not known."""
    if type(transformer) is not ColumnTransformer or transformer.sparse_output_:
        raise NoFastPath(f"preprocessing by {type(transformer).__name__} is not known")
    odd = sorted(set(kinds.values()) - {"double", "long", "integer", "boolean", "string"})
    if odd:
        raise NoFastPath(f"a column of type {odd[0]} is not known")
    blocks: list[Block] = []
    for name, part, columns in transformer.transformers_:
        names = tuple(map(str, columns))
        if not names or part == "drop":
            continue
        if type(part) in {OrdinalEncoder, OneHotEncoder}:
            blocks.append(_codes(part, names))
        elif any(kinds[column] == "string" for column in names):
            raise NoFastPath(f"text in the transformer {name!r} is not known")
        else:
            blocks.append(_numbers(name, part, names, kinds))
    return tuple(blocks)


def _numbers(name: str, part: object, names: tuple[str, ...], kinds: Mapping[str, str]) -> Block:
    """Compile what passes through, or is imputed and then scaled."""
    if part == "passthrough" or (type(part) is FunctionTransformer and part.func is None):
        return Numbers(names)
    steps = [step for _, step in part.steps] if type(part) is Pipeline else []
    if [type(step) for step in steps] != [SimpleImputer, StandardScaler]:
        raise NoFastPath(f"the transformer {name!r} ({type(part).__name__}) is not known")
    imputer, scaler = steps
    fill = np.asarray(imputer.statistics_)
    simple = not imputer.add_indicator and scaler.with_mean and scaler.with_std
    if not simple or fill.dtype != np.float64 or np.isnan(fill).any():
        raise NoFastPath(f"the transformer {name!r} has parameters that are not known")
    if any(kinds[column] == "boolean" for column in names):
        raise NoFastPath(f"true and false in the transformer {name!r} are not known")
    return Scaled(Numbers(names), fill, np.asarray(scaler.mean_), np.asarray(scaler.scale_))


def _codes(encoder: Any, names: tuple[str, ...]) -> Codes:
    """Ask *encoder* what it makes of each category of each column, of a missing value and of an unseen one."""
    asked = [_questions(categories) for categories in encoder.categories_]
    longest = max(map(len, asked))
    padded = {
        name: pd.array(values + values[-1:] * (longest - len(values)), dtype="str")
        for name, values in zip(names, asked, strict=True)
    }
    try:
        answers = np.asarray(encoder.transform(pd.DataFrame(padded)), dtype=np.float64)
    except ValueError as error:
        raise NoFastPath(f"{type(encoder).__name__} refuses what it has not seen: {error}") from error
    widths = _widths(encoder)
    if sum(widths) != answers.shape[1]:
        raise NoFastPath(f"{type(encoder).__name__} has parameters that are not known")
    ends = np.cumsum([0, *widths])
    return Codes(
        names,
        tuple({value: place for place, value in enumerate(values[:-1])} for values in asked),
        tuple(
            np.ascontiguousarray(answers[: len(values), start:end])
            for values, start, end in zip(asked, ends, ends[1:], strict=False)
        ),
    )


def _questions(categories: NDArray[Any]) -> list[str | None]:
    """List the known *categories*, then a missing value, then one that is not among them."""
    known = [value for value in categories.tolist() if isinstance(value, str)]
    return [*known, None, "?" * (1 + max(map(len, known), default=0))]


def _widths(encoder: Any) -> list[int]:
    """Return how many columns *encoder* makes of each of its own."""
    if type(encoder) is OrdinalEncoder:
        return [1] * len(encoder.categories_)
    rare = getattr(encoder, "infrequent_categories_", [None] * len(encoder.categories_))
    return [
        len(known) - (len(few) - 1 if few is not None else 0)
        for known, few in zip(encoder.categories_, rare, strict=True)
    ]
