"""What names a row: its key, its entity, and the id of its prediction."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.base.errors import DataError
from regrow.data.rows import (
    among,
    check_row_keys,
    entity_names,
    event_times,
    hash_rows,
    name_as_before,
    name_predictions,
    row_keys,
)
from regrow.project import Data, Project

JANUARY = pd.Timestamp("2026-01-01", tz="UTC")
MICROSECONDS = JANUARY.value // 1000


def data(**changes: Any) -> Data:
    """Make the section `data` of a project file."""
    return Data.model_validate(
        {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "timestamp": "at"} | changes
    )


def months(customers: int = 100, count: int = 4) -> pd.DataFrame:
    """Make a table of *customers* who come back *count* months in a row."""
    places = np.arange(customers * count)
    frame = pd.DataFrame(
        {"customer": places % customers, "size": 1.0 * places, "n": [f"r{n}" for n in places]}
    )
    return frame.assign(at=JANUARY + pd.to_timedelta(30 * (places // customers), unit="D"))


def keys(frame: pd.DataFrame, **changes: Any) -> list[str]:
    """Name the rows of *frame*."""
    return row_keys(frame, frame[["size"]], data(**changes)).tolist()


def test_a_row_is_named_by_its_id_or_by_entity_and_time() -> None:
    """`data.id` alone names a row; without it the entity together with the event time does."""
    frame = months(2, 2)
    assert keys(frame, id="n") == ["r0", "r1", "r2", "r3"]
    assert keys(frame, id="n", entity="customer") == ["r0", "r1", "r2", "r3"]
    assert keys(frame, entity="customer")[:2] == [f"0@{MICROSECONDS}", f"1@{MICROSECONDS}"]
    assert len(set(keys(frame, entity="customer"))) == 4


def test_a_row_without_a_name_is_known_by_its_content() -> None:
    """Rows without id and entity, or with a gap in it, are named by their features, time and place among equals."""
    frame = pd.concat([months(2, 1), months(2, 1)], ignore_index=True)
    for changes in ({}, {"timestamp": None}, {"entity": "customer", "timestamp": None}):
        names = keys(frame, **changes)
        assert len(set(names)) == 4
        assert [name.endswith("#1") for name in names] == [False, False, True, True]
    gap = frame.assign(n=["a", None, "b", None])
    assert keys(gap, id="n")[0] == "a"
    assert len(set(keys(gap, id="n"))) == 4


@given(st.permutations(range(12)))
def test_keys_do_not_depend_on_the_order_of_the_rows(order: list[int]) -> None:
    """Two rows of one entity and moment keep their keys, in whatever order the source gives them."""
    frame = months(3, 4).assign(customer=1, at=JANUARY)
    mixed = frame.iloc[order].reset_index(drop=True)
    known = dict(zip(frame["n"], keys(frame, entity="customer"), strict=True))
    assert dict(zip(mixed["n"], keys(mixed, entity="customer"), strict=True)) == known
    assert len(set(known.values())) == 12


def test_an_entity_is_named_as_by_a_request() -> None:
    """A row is about its entity, or else about itself; whole numbers keep their names beside a gap."""
    frame = pd.DataFrame({"customer": [7.0, None], "n": ["a", "b"]})
    assert entity_names(frame, data(entity="customer", id="n")).tolist() == ["7", ""]
    assert entity_names(frame, data(id="n")).tolist() == ["a", "b"]
    assert entity_names(frame, data()).tolist() == ["", ""]
    for kind in ("int64", "uint64", "int8", "Int64", "float64", "object"):
        whole = entity_names(pd.DataFrame({"n": pd.Series([7, 120, 7], dtype=kind)}), data(id="n"))
        assert whole.tolist() == ["7", "120", "7"]
    assert event_times(frame.assign(at=[JANUARY, None]), data()).tolist() == [MICROSECONDS, pd.NA]
    assert event_times(frame, data(timestamp=None)).isna().all()


def project(**changes: Any) -> Project:
    """Make a project of which only the section `data` matters."""
    return Project.model_construct(path="m.yaml", data=data(**changes))


def test_an_id_that_recurs_is_refused_with_its_remedy() -> None:
    """Two rows of one `data.id` are an error that counts them, shows one, and names `data.entity`."""
    frame = months(3, 5)
    with pytest.raises(
        DataError, match=r"`customer` recurs 12 times: '0' stands in 5 of 15 rows.*data\.entity"
    ):
        check_row_keys(project(id="customer"), frame)
    check_row_keys(project(id="n"), frame.assign(n=frame["n"].where(frame["customer"] > 0)))
    check_row_keys(project(entity="customer"), frame)


def test_recurring_entities_lose_no_row() -> None:
    """A customer who comes back every month, or twice in one, is a prediction each time; the same again is none."""
    rows = months().assign(size=1.0)
    twice = pd.concat([rows, rows[:1]], ignore_index=True)
    named = data(entity="customer")
    ids = name_predictions("m", 1, twice, twice[["size"]], named)
    assert len(set(ids)) == 401
    assert name_predictions("m", 1, twice, twice[["size"]], named) == ids
    assert name_predictions("m", 1, twice[100:], twice[["size"]][100:], named)[:-1] == ids[100:-1]
    assert not set(ids) & set(name_predictions("m", 2, twice, twice[["size"]], named))
    assert not set(ids) & set(name_predictions("n", 1, twice, twice[["size"]], named))


def test_an_entity_that_was_called_an_id_is_not_scored_again() -> None:
    """The prediction ids of version 0.2, which called a recurring customer `data.id`, stay as they were."""
    frame = months()
    ids, features = data(id="customer"), frame[["size"]]
    entities = data(entity="customer")
    assert name_predictions("m", 1, frame, features, ids) == name_predictions(
        "m", 1, frame, features, entities
    )
    assert name_as_before("m", 1, frame, ids) == name_as_before("m", 1, frame, entities)


def test_a_row_without_an_id_is_known_by_its_features() -> None:
    """The hash of a row does not depend on the types, gaps and pieces that its columns have beside other rows."""
    one = pd.DataFrame({"n": [1, 2], "w": pd.array(["a", None], dtype="str"), "b": [True, False]})
    other = pd.DataFrame(
        {"n": [1.0, 2.0, np.nan], "w": pd.array(["a", None, "b"], dtype="str"), "b": [True, False, None]}
    ).astype({"b": object})
    assert hash_rows(other)[:2].tolist() == hash_rows(one).tolist()
    assert hash_rows(other).is_unique
    assert hash_rows(pd.DataFrame({"x": [0.0]})).tolist() == hash_rows(pd.DataFrame({"x": [-0.0]})).tolist()


@pytest.mark.parametrize("known", [["a", None, "é"], [], [None]])
def test_texts_are_found_among_others_as_pandas_finds_them(known: list[str | None]) -> None:
    """A text is among those that are known, whatever holds them; a missing one never is."""
    names = pd.Series(["a", "b", None, "é", "a "], dtype="str")
    expected = [name is not None and name in known for name in ["a", "b", None, "é", "a "]]
    assert among(names, pd.Series(known, dtype="str")).tolist() == expected
    assert among(names.astype(object), pd.Index(known, dtype=object)).tolist() == expected
