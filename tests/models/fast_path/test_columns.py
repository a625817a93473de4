"""Raw columns become the matrix that the fitted transformer makes of them, or there is no fast path."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from regrow.base.errors import NoFastPath
from regrow.models.fast_path.columns import compile_columns

WORDS = ["red", "green", "blue", "rare", None]
TRAINED = pd.DataFrame(
    {
        "size": [1.5, np.nan, -2.0, 0.1, 7.0, 3.0],
        "hour": [1, 2, 3, 4, 5, 6],
        "flag": [True, False] * 3,
        "word": pd.array([*WORDS, "red"], dtype="str"),
        "town": pd.array(["a", "b", "a", "b", "a", "b"], dtype="str"),
    }
)
KINDS = {"size": "double", "hour": "long", "flag": "boolean", "word": "string", "town": "string"}
ORDINAL = OrdinalEncoder(
    handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
)
ONE_HOT = OneHotEncoder(handle_unknown="infrequent_if_exist", sparse_output=False)
FEW = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3, sparse_output=False)
SCALED = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())


def fit(*parts: tuple[str, Any, list[str]], **options: Any) -> ColumnTransformer:
    """Fit a transformer of *parts*."""
    return ColumnTransformer(list(parts), **options).fit(TRAINED)


KNOWN = [
    fit(("text", ORDINAL, ["word", "town"]), ("numbers", "passthrough", ["size", "hour", "flag"])),
    fit(("text", ONE_HOT, ["word", "town"]), ("numbers", SCALED, ["size", "hour"])),
    fit(("text", FEW, ["town", "word"]), ("empty", SCALED, []), ("gone", "drop", ["hour"])),
    fit(("numbers", SCALED, ["hour", "size"])),
]
NUMBERS = st.none() | st.floats(allow_infinity=False, width=32)
TEXT = st.sampled_from([*WORDS, "a", "b", "", "nan"]) | st.text(max_size=3)
ROWS = st.tuples(NUMBERS, st.integers(-(2**40), 2**40), st.booleans(), TEXT, TEXT)


@pytest.mark.parametrize("transformer", KNOWN)
@given(rows=st.lists(ROWS, min_size=1, max_size=4))
def test_the_matrix_is_the_transformers_own(
    transformer: ColumnTransformer, rows: list[tuple[Any, ...]]
) -> None:
    """Gaps, unseen categories and rare ones become the same numbers, to the last bit."""
    values = {name: [row[place] for row in rows] for place, name in enumerate(TRAINED)}
    frame = pd.DataFrame(values).astype({"size": "float64", "word": "str", "town": "str"})
    found = np.concatenate([block.build(values) for block in compile_columns(transformer, KINDS)], axis=1)
    assert np.array_equal(found, np.asarray(transformer.transform(frame), dtype=np.float64), equal_nan=True)


@pytest.mark.parametrize(
    ("transformer", "said"),
    [
        (StandardScaler(), "preprocessing by StandardScaler is not known"),
        (
            fit(("text", OneHotEncoder(handle_unknown="ignore"), ["town"]), sparse_threshold=1),
            "preprocessing by ColumnTransformer is not known",
        ),
        (fit(("text", "passthrough", ["town"])), "text in the transformer 'text' is not known"),
        (fit(("numbers", MinMaxScaler(), ["size"])), r"'numbers' \(MinMaxScaler\) is not known"),
        (fit(("flags", SCALED, ["hour", "flag"])), "true and false in the transformer 'flags'"),
        (fit(("text", OrdinalEncoder(), ["town"])), "OrdinalEncoder refuses what it has not seen"),
        (
            fit(
                ("text", OneHotEncoder(drop="first", handle_unknown="ignore", sparse_output=False), ["town"])
            ),
            "OneHotEncoder has parameters that are not known",
        ),
        *(
            (fit(("numbers", make_pipeline(imputer, scaler), ["size"])), "has parameters that are not known")
            for imputer, scaler in (
                (SimpleImputer(add_indicator=True), StandardScaler()),
                (SimpleImputer(), StandardScaler(with_mean=False)),
                (SimpleImputer(), StandardScaler(with_std=False)),
            )
        ),
    ],
)
def test_what_is_not_known_is_named(transformer: object, said: str) -> None:
    """A transformer that the flow does not build, or of other parameters, is refused by its name."""
    with pytest.raises(NoFastPath, match=said):
        compile_columns(transformer, KINDS)


@pytest.mark.parametrize("kind", ["datetime", "any", "float"])
def test_a_column_of_another_type_is_named(kind: str) -> None:
    """A type whose values the matrix would hold otherwise is no fast path, even of a column that is dropped."""
    with pytest.raises(NoFastPath, match=f"a column of type {kind} is not known"):
        compile_columns(KNOWN[3], KINDS | {"flag": kind})
