"""Every kind of source with a broken input: the error names file, key and reason, and no traceback is needed."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from deltalake import write_deltalake

from regrow.base.errors import DataError, ProjectError, RegrowError, Unreachable
from regrow.data.sources import read_label_source, read_source
from regrow.project import Project

Make = Callable[..., Project]
FRAME = pd.DataFrame({"id": ["a", "b"], "size": [1.0, 2.0], "late": [1, 0]})
KEYS = ("source", "labels")


def data(source: dict[str, Any], key: str = "source") -> dict[str, Any]:
    given = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "id": "id"}
    return given | {key: source}


def refusal(project: Project, key: str = "source") -> RegrowError:
    """Read the rows or the labels of *project* and return the error."""
    from datetime import UTC, datetime

    moment = datetime(2024, 1, 1, tzinfo=UTC)
    with pytest.raises(RegrowError) as raised:
        if key == "source":
            read_source(project)
        else:
            assert project.data.labels is not None
            read_label_source(project, project.data.labels, moment, moment)
    assert str(project.path) in str(raised.value)
    assert "\n" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("content", "separator", "said"),
    [
        (b"", ",", "No columns to parse"),
        (b"id,late\n1,2\n4,5,6\n", ",", "Expected 2 fields in line 3, saw 3"),
        (b"id,late\na,1,2\nb,3,4\n", ",", "more fields than its header"),
        (b'id,late\n1,"2\n4,5\n', ",", "EOF inside string"),
        ("id,late\né,1\n".encode("latin-1"), ",", "can't decode byte 0xe9"),
        (b"id;late\n1;2\n", "((", r"data\.\w+\.separator: `\(\(`"),
        (b"\x00\x01\x02\xff\xfe", ",", "broken.csv"),
    ],
)
def test_a_broken_csv_file_is_named(
    project: Make, tmp_path: Path, key: str, content: bytes, separator: str, said: str
) -> None:
    """A CSV file that does not parse is named with its key and with what is wrong; no column is shifted silently."""
    (tmp_path / "broken.csv").write_bytes(content)
    source = {"kind": "csv", "path": "broken.csv", "separator": separator}
    error = refusal(project(FRAME, data=data(source, key)), key)
    assert isinstance(error, DataError | ProjectError)
    assert re.search(rf"data\.{key}\.", str(error))
    assert re.search(said, str(error))


def test_an_empty_separator_is_refused_in_the_file(project: Make) -> None:
    """`separator: ""` is an error of the project file, with its key."""
    with pytest.raises(ProjectError, match=r"data\.source\.csv\.separator: "):
        project(FRAME, data=data({"kind": "csv", "path": "rows.csv", "separator": ""}))


def test_a_longer_separator_is_a_pattern(project: Make, tmp_path: Path) -> None:
    """Columns may be separated by a regular expression, without a warning."""
    (tmp_path / "wide.csv").write_text("id  late\na 1\nb    0\n")
    made = project(FRAME, data=data({"kind": "csv", "path": "wide.csv", "separator": r"\s+"}))
    assert read_source(made).to_numpy().tolist() == [["a", 1], ["b", 0]]


def break_file(folder: Path) -> str:
    (folder / "rows.parquet").write_bytes(b"PAR1 nonsense")
    return "rows.parquet"


def break_one_of_two(folder: Path) -> str:
    (folder / "parts").mkdir()
    FRAME.to_parquet(folder / "parts" / "1.parquet")
    (folder / "parts" / "2.parquet").write_bytes(b"")
    return "parts"


def mix_types(folder: Path) -> str:
    (folder / "parts").mkdir()
    FRAME.to_parquet(folder / "parts" / "1.parquet")
    FRAME.assign(size=["x", "y"]).to_parquet(folder / "parts" / "2.parquet")
    return "parts"


def corrupt_pages(folder: Path) -> str:
    path = folder / "rows.parquet"
    rows = {"id": [1.0, 2.0] * 1000, "late": 1.0, "label": 1.0, "labelled_at": pd.Timestamp("2024-01-01")}
    pd.DataFrame(rows).to_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[:60] + b"\0" * 20 + content[80:])
    return "rows.parquet"


def leave_empty(folder: Path) -> str:
    (folder / "parts").mkdir()
    return "parts"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (break_file, "magic bytes not found"),
        (break_one_of_two, r"2\.parquet.*0 bytes"),
        (mix_types, r"2\.parquet: column `size` is (large_)?string, and double in the first file"),
        (corrupt_pages, "rows.parquet: .*"),
        (leave_empty, "there is no column in it"),
    ],
)
def test_a_broken_parquet_file_is_named(
    project: Make, tmp_path: Path, key: str, prepare: Callable[[Path], str], said: str
) -> None:
    """A Parquet file that cannot be read is named, also one of many in a folder."""
    made = project(FRAME, data=data({"kind": "parquet", "path": prepare(tmp_path)}, key))
    error = refusal(made, key)
    assert isinstance(error, DataError)
    assert re.search(rf"data\.{key}.*{said}", str(error))


def lose_file(folder: Path) -> None:
    next(folder.glob("*.parquet")).unlink()


def break_data(folder: Path) -> None:
    next(folder.glob("*.parquet")).write_bytes(b"x")


def break_log(folder: Path) -> None:
    next((folder / "_delta_log").glob("*.json")).write_text("nonsense")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("damage", "said"), [(lose_file, "not found"), (break_data, "magic bytes"), (break_log, "Json error")]
)
def test_a_broken_delta_table_is_named(
    project: Make, tmp_path: Path, key: str, damage: Callable[[Path], None], said: str
) -> None:
    """A Delta table whose log or files are damaged is an error with its path, without colours or stack frames."""
    write_deltalake(tmp_path / "table", FRAME)
    damage(tmp_path / "table")
    error = str(refusal(project(FRAME, data=data({"kind": "delta", "path": "table"}, key)), key))
    assert re.search(rf"data\.{key}\.path: .*table: .*{said}", error)
    assert "\x1b" not in error
    assert "<unknown>" not in error


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("url", "query", "said"),
    [
        ("foo://u:secret@host/db", "SELECT 1", r"url_env: \$ROWS_URL: .*dialects:foo"),
        ("secret", "SELECT 1", r"url_env: \$ROWS_URL: "),
        ("mysql://u:secret@host/db", "SELECT 1", r"url_env: \$ROWS_URL: .*MySQLdb.*install"),
        ("sqlite://", "SELEC 1", r'query failed on \$ROWS_URL: near "SELEC": syntax error'),
        ("sqlite://", "SELECT * FROM nowhere", "no such table: nowhere"),
        ("sqlite://", "SELECT 1 WHERE 1 > :begin", "'begin'.*only :start and :end"),
        ("sqlite://", "SELECT 1 WHERE 1 > :start_date", "'start_date'.*only :start and :end"),
        ("sqlite://", "CREATE TABLE t (a int)", "does not return rows"),
        ("sqlite://", "SELECT 1 AS a, 2 AS a", r"query.* two columns named `a`"),
    ],
)
def test_a_query_that_cannot_be_is_named(
    project: Make, monkeypatch: pytest.MonkeyPatch, key: str, url: str, query: str, said: str
) -> None:
    """A URL or a query that is wrong is an error with key and reason, and never shows the URL or its password."""
    monkeypatch.setenv("ROWS_URL", url)
    source = {"kind": "sql", "url_env": "ROWS_URL", "query": query}
    error = str(refusal(project(FRAME, data=data(source, key)), key))
    assert re.search(rf"data\.{key}\.{said}" if said.startswith(("url", "query")) else said, error)
    assert "secret" not in error


def test_a_database_that_does_not_answer_may_answer_later(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage of the database is `Unreachable`, which a step tries again; a wrong query is not."""
    monkeypatch.setenv("ROWS_URL", "postgresql+psycopg://u:secret@127.0.0.1:1/db")
    error = refusal(project(FRAME, data=data({"kind": "sql", "url_env": "ROWS_URL", "query": "SELECT 1"})))
    assert isinstance(error, Unreachable)
    assert re.search(r"data\.source\.url_env: \$ROWS_URL.* does not answer", str(error))
    assert "secret" not in str(error)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('bad month')", r"ValueError: bad month \(rows_hook\.py, line 3\)"),
        ("raise KeyError('size')", r"KeyError: 'size' \(rows_hook\.py, line 3\)"),
        ("return 1 / 0", r"ZeroDivisionError: division by zero \(rows_hook\.py, line 3\)"),
        ("return pd.DataFrame({'a': [1]})['b']", r"KeyError: 'b' \(rows_hook\.py, line 3\)"),
        ("import sys; sys.exit('no rows')", r"SystemExit: no rows \(rows_hook\.py, line 3\)"),
        ("open('/nowhere/rows')", r"FileNotFoundError: .*/nowhere/rows.* \(rows_hook\.py, line 3\)"),
        ("pass", r"returned nothing; return a pandas DataFrame"),
        ("return [1]", "gave list, not a pandas DataFrame"),
        ("return pd.DataFrame([[1, 2]], columns=['late', 'late'])", "two columns named `late`"),
        ("return pd.DataFrame([[1, 2]])", "column 0 has a name that is no text"),
    ],
)
def test_whatever_a_hook_raises_is_named(
    project: Make, tmp_path: Path, key: str, body: str, said: str
) -> None:
    """A hook may raise anything, exit or return anything; the error names hook, file, line and exception."""
    (tmp_path / "rows_hook.py").write_text(f"import pandas as pd\ndef load(start, end):\n    {body}\n")
    error = refusal(project(FRAME, data=data({"kind": "python", "load": "rows_hook:load"}, key)), key)
    assert isinstance(error, DataError)
    assert re.search(rf"data\.{key}\.load: rows_hook:load: .*{said}", str(error))


def test_a_hook_whose_service_is_away_may_work_later(project: Make, tmp_path: Path) -> None:
    """A hook that cannot connect is `Unreachable`, which a step tries again."""
    (tmp_path / "rows_hook.py").write_text(
        "def load(start, end):\n    raise ConnectionRefusedError('away')\n"
    )
    error = refusal(project(FRAME, data=data({"kind": "python", "load": "rows_hook:load"})))
    assert isinstance(error, Unreachable)
    assert "ConnectionRefusedError: away (rows_hook.py, line 2)" in str(error)


def test_a_fingerprint_that_raises_is_named(project: Make, tmp_path: Path) -> None:
    """A hook that tells whether the data has changed is held to the same."""
    from regrow.data.sources import fingerprint

    hook = "def load(start, end):\n    pass\ndef version():\n    raise OSError('gone')\n"
    (tmp_path / "rows_hook.py").write_text(hook)
    source = {"kind": "python", "load": "rows_hook:load", "fingerprint": "rows_hook:version"}
    with pytest.raises(
        DataError, match=r"data\.source\.fingerprint: rows_hook:version: OSError: gone .*line 4"
    ):
        fingerprint(project(FRAME, data=data(source)))


def test_a_query_binds_whole_names(project: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`:start` is bound, and what only begins so, as a cast `::start`, is left to the database."""
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    FRAME.to_sql("rows", sa.create_engine(url), index=False)
    monkeypatch.setenv("ROWS_URL", url)
    query = "SELECT id, late, ':start_date' AS size FROM rows WHERE :end > '2000'"
    source = {"kind": "sql", "url_env": "ROWS_URL", "query": query.replace("':start_date'", "1.5")}
    assert len(read_source(project(FRAME, data=data(source)))) == 2
