"""Rows from every kind of source."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from deltalake import write_deltalake

from regrow.base.errors import DataError, ProjectError
from regrow.data.sources import feature_columns, fingerprint, read_label_source, read_source
from regrow.project import Project

START, END = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 4, tzinfo=UTC)
FRAME = pd.DataFrame(
    {
        "id": ["c", "b", "a", "d"],
        "at": pd.to_datetime(["2024-01-04", "2024-01-03", "2024-01-02", "2024-01-01"], utc=True),
        "size": [4.0, 3.0, 2.0, 1.0],
        "late": [1, 0, 1, 0],
    }
)
Make = Callable[..., Project]


def write_sql(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    url = f"sqlite:///{folder / 'rows.db'}"
    monkeypatch.setenv("ROWS_URL", url)
    FRAME.to_sql("rows", sa.create_engine(url), index=False)
    return {
        "kind": "sql",
        "url_env": "ROWS_URL",
        "query": "SELECT * FROM rows WHERE at >= :start AND at < :end",
    }


def write_csv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    FRAME.to_csv(folder / "data.csv", index=False, sep=";")
    return {"kind": "csv", "path": "data.csv", "separator": ";"}


def write_parquet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (folder / "data").mkdir()
    FRAME[:2].to_parquet(folder / "data" / "1.parquet")
    FRAME[2:].to_parquet(folder / "data" / "2.parquet")
    return {"kind": "parquet", "path": "data"}


def write_delta(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    write_deltalake(folder / "delta", FRAME)
    return {"kind": "delta", "path": "delta"}


def write_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    FRAME.to_parquet(folder / "hook.parquet")
    hook = f"import pandas as pd\ndef load(start, end):\n    return pd.read_parquet({str(folder / 'hook.parquet')!r})\n"
    (folder / "hook_rows.py").write_text(hook + "def version():\n    return 'first'\n")
    return {"kind": "python", "load": "hook_rows:load", "fingerprint": "hook_rows:version"}


def data(source: dict[str, str], **changes: Any) -> dict[str, Any]:
    return {"source": source, "target": "late", "timestamp": "at", "id": "id"} | changes


@pytest.mark.parametrize("write", [write_csv, write_parquet, write_delta, write_sql, write_python])
def test_every_source_gives_the_same_rows(
    write: Callable[..., dict[str, str]], project: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of [start, end) come oldest first with UTC times, whatever they are kept in."""
    made = project(data=data(write(tmp_path, monkeypatch)))
    found = read_source(made, START, END)
    expected = FRAME.iloc[[2, 1]].reset_index(drop=True).assign(at=lambda rows: rows["at"].dt.as_unit("us"))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert str(found["at"].dtype) == "datetime64[us, UTC]"
    assert feature_columns(made, list(found.columns)) == ["size"]


def test_scikit_learn_needs_no_file(project: Make) -> None:
    """A data set of scikit-learn bears its target under the project's name."""
    made = project(data={"source": {"kind": "sklearn", "dataset": "iris"}, "target": "species"})
    found = read_source(made)
    assert len(found) == 150
    assert found.columns[-1] == "species"


def test_fingerprint_changes_with_the_rows(
    project: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changes changes its fingerprint; a Delta table's version does; a query cannot tell."""
    csv, delta = (project(data=data(write(tmp_path, monkeypatch))) for write in (write_csv, write_delta))
    before = fingerprint(csv), fingerprint(delta)
    assert before == (fingerprint(csv), fingerprint(delta))
    FRAME[:3].to_csv(tmp_path / "data.csv", index=False, sep=";")
    write_deltalake(tmp_path / "delta", FRAME[:1], mode="append")
    assert fingerprint(csv) != before[0]
    assert fingerprint(delta) != before[1]
    assert fingerprint(project(data=data(write_sql(tmp_path, monkeypatch)))) is None


def test_a_date_that_does_not_parse_is_shown(project: Make) -> None:
    """The error names the column, the row and the value."""
    frame = FRAME.assign(at=["2024-01-01", "2024-01-02", "soon", "later"])
    with pytest.raises(DataError, match=r"column `at`, row 2: 'soon' is not a date \(2 such rows\)"):
        read_source(project(frame))


@pytest.mark.parametrize(("key", "column"), [("target", "lated"), ("timestamp", "when"), ("id", "name")])
def test_a_missing_column_is_named(project: Make, key: str, column: str) -> None:
    """A column of the project file that the data lacks is named with its key and with what there is."""
    made = project(FRAME, data=data({"kind": "csv", "path": "rows.csv"}, **{key: column}))
    with pytest.raises(
        DataError, match=rf"data\.{key}: the data has no column `{column}`; it has id, at, size, late"
    ):
        read_source(made)


def test_a_missing_feature_is_named(project: Make) -> None:
    """A feature that the data lacks is named with its place."""
    made = project(FRAME, data=data({"kind": "csv", "path": "rows.csv"}, features=["size", "weight"]))
    with pytest.raises(DataError, match=r"data\.features\[1\]: the data has no column `weight`"):
        read_source(made)


@pytest.mark.parametrize("kind", ["csv", "parquet", "delta"])
def test_a_missing_file_is_named(project: Make, kind: str) -> None:
    """A file or table that is not there is an error with its path."""
    with pytest.raises(DataError, match=r"data\.source\.path.*nowhere"):
        read_source(project(FRAME, data=data({"kind": kind, "path": "nowhere"})))


def test_an_empty_file_is_said(project: Make, tmp_path: Path) -> None:
    """A file without a header cannot be read, and the error says so."""
    (tmp_path / "empty.csv").touch()
    with pytest.raises(DataError, match="cannot be read"):
        read_source(project(FRAME, data=data({"kind": "csv", "path": "empty.csv"})))


def test_a_query_is_asked_for_some_columns_of_a_file_that_names_more(
    project: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels are read without the features that the file names; one that the query lacks is told with what it has."""
    source = write_sql(tmp_path, monkeypatch)
    made = project(FRAME, data={**data(source), "features": ["size"]})
    assert list(read_source(made, columns=["late"])) == ["id", "at", "late"]
    for columns in (["late", "colour"], None):
        lacking = project(FRAME, data={**data(source), "features": ["colour"]})
        with pytest.raises(
            DataError, match=r"features\[0\]: the data has no column `colour`; it has id, at, size, late"
        ):
            read_source(lacking, columns=columns)


def test_a_query_of_labels_shows_all_that_it_has(
    project: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels without their time are an error with every column of the query."""
    source = write_sql(tmp_path, monkeypatch)
    made = project(
        FRAME, data=data(source, labels={**source, "query": "SELECT id, late AS label, size FROM rows"})
    )
    assert made.data.labels is not None
    with pytest.raises(
        DataError, match=r"data\.labels: the data has no column `labelled_at`; it has id, label, size"
    ):
        read_label_source(made, made.data.labels, START, END)


def test_a_query_that_fails_hides_the_password(
    project: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error names the variable, not the URL in it; a variable that is not set is an error too."""
    source = {"kind": "sql", "url_env": "ROWS_URL", "query": "SELECT * FROM nowhere"}
    made = project(FRAME, data=data(source))
    monkeypatch.delenv("ROWS_URL", raising=False)
    with pytest.raises(ProjectError, match=r"\$ROWS_URL is not set"):
        read_source(made)
    monkeypatch.setenv("ROWS_URL", f"sqlite:///{tmp_path / 'secret.db'}")
    with pytest.raises(DataError, match=r"failed on \$ROWS_URL: no such table: nowhere") as raised:
        read_source(made)
    assert "secret" not in str(raised.value).replace(str(made.path), "")


def test_a_hook_must_give_a_frame(project: Make, tmp_path: Path) -> None:
    """A callable that gives something else than a DataFrame is an error that says what it gave."""
    (tmp_path / "bad_rows.py").write_text("def load(start, end):\n    return [1]\n")
    with pytest.raises(DataError, match="gave list, not a pandas DataFrame"):
        read_source(project(FRAME, data=data({"kind": "python", "load": "bad_rows:load"})))


def test_a_name_keeps_its_zeros_in_every_period(project: Make, tmp_path: Path) -> None:
    """Customer 007 of a CSV file is `007` in each period, as requests and labels call it, and 11 is `11`."""
    frame = FRAME.assign(id=["12", "11", "007", "3"])
    made = project(frame)
    assert read_source(made)["id"].tolist() == ["3", "007", "11", "12"]
    assert read_source(made, datetime(2024, 1, 3, tzinfo=UTC))["id"].tolist() == ["11", "12"]
