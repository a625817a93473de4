"""Queries are read chunk by chunk."""

from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from regrow.base.errors import ProjectError
from regrow.data import queries
from regrow.data.queries import connect_to, open_query
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


def test_a_url_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and the key that names it."""
    monkeypatch.delenv("NOWHERE_URL", raising=False)
    with pytest.raises(ProjectError, match=r"data\.source\.url_env: \$NOWHERE_URL is not set"):
        connect_to("NOWHERE_URL", "m.yaml: data.source.url_env")
