"""How chunks become one frame."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from regrow.data.selection import Kinds, Selection, join_chunks


@given(st.lists(st.lists(st.one_of(st.none(), st.floats()), max_size=5), min_size=1, max_size=5))
def test_chunks_are_joined_as_they_were_cut(chunks: list[list[float | None]]) -> None:
    """Numbers that were cut into chunks of any size come back in their order, to the bit."""
    frames = [pd.DataFrame({"a": pd.Series(chunk, dtype="float64")}) for chunk in chunks]
    whole = np.array([np.nan if value is None else value for chunk in chunks for value in chunk], dtype=float)
    np.testing.assert_array_equal(join_chunks(frames)["a"].to_numpy(dtype=float), whole)


def test_a_chunk_without_a_value_does_not_decide_the_type() -> None:
    """A column that is empty in one chunk has the type that it has in the others."""
    text, flags = pd.DataFrame({"a": ["x", "y"]}), pd.DataFrame({"a": [True, False]})
    nothing, none = pd.DataFrame({"a": [np.nan, np.nan]}), pd.DataFrame({"a": []}, dtype=object)
    assert str(join_chunks([nothing, text, none])["a"].dtype) == "str"
    assert join_chunks([nothing, flags])["a"].tolist()[2:] == [True, False]
    assert join_chunks([pd.DataFrame({"a": [1, 2]}), nothing])["a"].dtype == np.float64
    assert join_chunks([none]).empty


def test_a_column_of_two_kinds_is_found() -> None:
    """Text in one chunk and numbers in another are two kinds; whole numbers and others, or nothing at all, are not."""
    one = pd.DataFrame({"a": [1, 2], "b": [1, 2], "c": [np.nan, np.nan], "d": [True, False]})
    other = pd.DataFrame({"a": ["1", "x"], "b": [1.5, 2], "c": ["x", "y"], "d": [0, 1]})
    assert Kinds([one, other]).mixed == {"a", "d"}


def test_only_the_wanted_columns_are_kept() -> None:
    """A selection keeps its columns in the order of the source; without any, all."""
    frame = pd.DataFrame({"a": [1], "b": [2], "c": [3]})
    assert list(Selection(frozenset({"c", "a", "z"})).narrow(frame)) == ["a", "c"]
    assert list(Selection().narrow(frame)) == ["a", "b", "c"]
