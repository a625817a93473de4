"""Queries are read chunk by chunk."""

import os
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from regrow.base.errors import ProjectError
from regrow.data import queries
from regrow.data.queries import bounded, connect_to, open_query
from regrow.data.selection import Selection, join_chunks
from regrow.project import SqlSource


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlSource:
    """Make a table of ten rows, the first five without a size."""
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    frame = pd.DataFrame({"id": range(10), "size": [None] * 5 + [1.5] * 5, "word": [None] * 9 + ["x"]})
    frame.to_sql("rows", sa.create_engine(url), index=False)
    monkeypatch.setenv("ROWS_URL", url)
    return SqlSource(kind="sql", url_env="ROWS_URL", query="SELECT * FROM rows ORDER BY id")


def test_a_large_result_comes_in_chunks(source: SqlSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more rows than one chunk are in memory at once, and types do not depend on where a chunk begins."""
    monkeypatch.setattr(queries, "CHUNK", 3)
    chunks = list(open_query(source, "m.yaml: data.source").chunks(Selection()))
    assert [len(chunk) for chunk in chunks] == [3, 3, 3, 1]
    whole = join_chunks(chunks)
    assert whole["size"].dtype == float
    assert whole["id"].tolist() == list(range(10))
    assert whole["word"].tolist()[-1] == "x"


def test_a_result_without_a_row_has_its_columns(source: SqlSource) -> None:
    """A period without a row gives the columns of the query."""
    nothing = source.model_copy(update={"query": "SELECT id, size FROM rows WHERE id > 99"})
    whole = join_chunks(open_query(nothing, "m.yaml: data.source").chunks(Selection()))
    assert (list(whole), len(whole)) == (["id", "size"], 0)


def columns_of(source: SqlSource, *wanted: str) -> list[str]:
    """Return the columns that the database gives if *wanted* are asked for."""
    return list(join_chunks(open_query(source, "m.yaml: data.source").chunks(Selection(frozenset(wanted)))))


def test_the_database_gives_the_wanted_columns_alone(source: SqlSource) -> None:
    """What a query gives and nobody asks for stays in the database; a name that it lacks is passed over."""
    plain = source.model_copy(update={"query": "SELECT * FROM rows"})
    assert columns_of(plain, "size", "id", "colour") == ["id", "size"]
    assert columns_of(plain.model_copy(update={"query": "SELECT * FROM rows; "}), "size") == ["size"]
    commented = plain.model_copy(update={"query": "SELECT id, size, word FROM rows -- all of them"})
    assert columns_of(commented, "word") == ["word"]


def test_names_that_need_quotes_are_asked_for(source: SqlSource) -> None:
    """Capitals, blanks, quotes, colons and words of SQL name columns as well as others do."""
    query = """SELECT id AS "Id", size AS "the ""size""\\:x", word AS "select" FROM rows"""
    odd = source.model_copy(update={"query": query})
    assert columns_of(odd, "Id", 'the "size":x') == ["Id", 'the "size":x']
    assert columns_of(odd, "select") == ["select"]


def test_a_query_that_sorts_is_asked_as_it_is(source: SqlSource) -> None:
    """The order of a query is kept: its columns come whole."""
    assert columns_of(source, "size") == ["id", "size", "word"]


def test_bounds_are_put_around_a_query(source: SqlSource) -> None:
    """A query without bounds gives the rows of a period, by a column of any name."""
    with sa.create_engine(os.environ["ROWS_URL"]).begin() as connection:
        times = pd.date_range("2024-01-01", periods=4, tz="UTC").tz_localize(None)
        pd.DataFrame({"the time": times, "n": range(4)}).to_sql("dated", connection, index=False)
    plain = source.model_copy(update={"query": "SELECT * FROM dated -- all"})
    selection = Selection(None, "the time", datetime(2024, 1, 2), datetime(2024, 1, 4))
    chunks = open_query(bounded(plain, "the time"), "m.yaml: data.source").chunks(selection)
    assert join_chunks(chunks)["n"].tolist() == [1, 2]


def test_a_url_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and the key that names it."""
    monkeypatch.delenv("NOWHERE_URL", raising=False)
    with pytest.raises(ProjectError, match=r"data\.source\.url_env: \$NOWHERE_URL is not set"):
        connect_to("NOWHERE_URL", "m.yaml: data.source.url_env")
