"""`regrow init`: from a table to a project file that `check` and `train` take as it is."""

import bz2
import gzip
import lzma
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from loans import loans

from flows.train import train
from regrow.base.errors import DataError, ProjectError
from regrow.cli.data_check import check_data
from regrow.inspection import new_project
from regrow.inspection.new_project import find_encoding, find_separator, make_project_file
from regrow.project import CsvSource, load_project
from regrow.project.check import check_project
from tasks.ingest import read_known


@pytest.mark.parametrize("kind", ["csv", "semicolons", "gzip", "parquet", "folder", "delta", "sql"])
def test_any_kind_of_table(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, a folder, a Delta table and a query each give the same file but for its source, and `check` passes."""
    frame, url = loans(400), None
    table = str(tmp_path / "Loans 2024")
    if kind == "csv":
        frame.to_csv(table := f"{table}.csv", index=False)
    elif kind == "semicolons":
        frame.to_csv(table := f"{table}.csv", index=False, sep=";")
    elif kind == "gzip":
        frame.to_csv(table := f"{table}.csv.gz", index=False)
    elif kind == "parquet":
        frame.to_parquet(table := f"{table}.parquet")
    elif kind == "folder":
        Path(table).mkdir()
        frame.head(200).to_parquet(f"{table}/1.parquet")
        frame.tail(200).to_parquet(f"{table}/2.parquet")
    elif kind == "delta":
        from deltalake import write_deltalake

        write_deltalake(table, frame.drop(columns="fax"))
    else:
        monkeypatch.setenv("LOANS_URL", f"sqlite:///{tmp_path / 'loans.db'}")
        frame = frame.assign(issued_at=pd.to_datetime(frame["issued_at"]).dt.tz_localize(None))
        frame.to_sql("loans", os.environ["LOANS_URL"], index=False)
        table, url = "SELECT * FROM loans", "LOANS_URL"
    file, found = make_project_file(table, "repaid", tmp_path / "configs", "loans-2024" if url else None, url)
    assert file.name == "loans-2024.yaml"
    assert "predicts repaid" in check_project(file)
    data = load_project(file).data
    assert (data.timestamp, data.id, data.entity) == ("issued_at", "loan_id", "customer")
    assert data.source.kind != "sql" or "< :end" in data.source.query
    assert dict(found)["target"].startswith("`repaid`, 2 classes")


def test_a_query_whose_times_the_database_reads_otherwise_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times that are text of another form than the database's own bound nothing; that each run reads all is said."""
    monkeypatch.setenv("LOANS_URL", f"sqlite:///{tmp_path / 'loans.db'}")
    frame = loans(400)
    at = pd.to_datetime(frame["issued_at"]).dt.strftime("%d %b %Y")
    frame.assign(issued_at=pd.to_datetime(at).astype(str) + "T10:00:00Z").to_sql(
        "loans", os.environ["LOANS_URL"], index=False
    )
    file, found = make_project_file("SELECT * FROM loans;", "repaid", tmp_path, "loans", "LOANS_URL")
    source = load_project(file).data.source
    assert source.kind == "sql"
    assert source.query == "SELECT * FROM loans;"
    assert ("unsure", "each run reads all rows: bound the query by `issued_at`, `:start` and `:end`") in found


def test_codes_keep_their_zeros(tmp_path: Path) -> None:
    """Whole numbers that begin with zeros, such as postcodes, are text, with gaps too; plain ones are numbers."""
    frame = loans(300)
    frame["zip"] = ["01067", "10115", None] * 100
    frame["rooms"] = [1, 2, 30] * 100
    frame.to_csv(tmp_path / "a.csv", index=False)
    file, _ = make_project_file(str(tmp_path / "a.csv"), "repaid", tmp_path)
    project = load_project(file)
    assert isinstance(project.data.source, CsvSource)
    assert project.data.source.text == ("zip",)
    rows = read_known(project, datetime(2030, 1, 1, tzinfo=UTC))
    assert set(rows["zip"].dropna()) == {"01067", "10115"}


def test_a_file_of_other_habits_is_read_well(tmp_path: Path) -> None:
    """Latin-1, decimal commas, money and shares are read as what they are, by options in the file that is written."""
    frame = loans(300)
    frame["städte"] = ["Köln", "Genf", "Graz"] * 100
    frame["share"] = [f"{n % 40}%" for n in range(300)]
    frame["mostly"] = ["unknown" if n % 50 == 0 else str(n / 4) for n in range(300)]
    frame["few"] = ["unknown" if n % 50 == 0 else str(n % 3) for n in range(300)]
    frame["when"] = [f"{n % 28 + 1}.3.2024 10:00" for n in range(300)]
    frame.to_csv(tmp_path / "a.csv", index=False, sep=";", decimal=",", encoding="latin-1")
    file, _ = make_project_file(str(tmp_path / "a.csv"), "repaid", tmp_path)
    project = load_project(file)
    source = project.data.source
    assert isinstance(source, CsvSource)
    assert (source.separator, source.decimal, source.encoding) == (";", ",", "cp1252")
    assert "share" in source.numbers
    assert {"income", "städte", "share"} <= set(project.data.features or ())
    assert not {"mostly", "few", "when"} & set(project.data.features or ())
    assert "null_values: [unknown]" in file.read_text()
    rows = read_known(project, datetime(2030, 1, 1, tzinfo=UTC))
    assert rows["share"].max() == 0.39
    assert rows["income"].dtype == "float64"


def test_the_month_of_a_folder_dates_no_row_that_has_a_time(tmp_path: Path) -> None:
    """Of a table in parts by month the moments are the time; the month of the folders only if there are none."""
    frame = loans(300)
    frame["month"] = frame["issued_at"].astype("str").str[:7]
    frame.to_parquet(tmp_path / "loans", partition_cols=["month"])
    file, _ = make_project_file(str(tmp_path / "loans"), "repaid", tmp_path)
    assert load_project(file).data.timestamp == "issued_at"
    frame.drop(columns=["issued_at", "written_off_at"]).to_parquet(
        tmp_path / "dull", partition_cols=["month"]
    )
    file, _ = make_project_file(str(tmp_path / "dull"), "repaid", tmp_path)
    assert load_project(file).data.timestamp == "month"


@pytest.mark.parametrize(
    ("written", "found"),
    [("%d.%m.%Y", "%d.%m.%Y"), ("%m/%d/%Y", "%m/%d/%Y"), ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M")],
)
def test_dates_as_a_country_writes_them_are_times(tmp_path: Path, written: str, found: str) -> None:
    """The format is found by the values, stands in the file, and the column dates the rows."""
    days = pd.date_range("2024-01-01", periods=100).repeat(3)
    frame = pd.DataFrame(
        {
            "Tag": days.strftime(written),
            "size": [n % 97 * 3 for n in range(300)],
            "wear": [n % 7 / 2 for n in range(300)],
        }
    )
    frame.to_csv(tmp_path / "a.csv", index=False, sep=";", decimal=",")
    file, _ = make_project_file(str(tmp_path / "a.csv"), "wear", tmp_path)
    project = load_project(file)
    assert isinstance(project.data.source, CsvSource)
    assert (project.data.timestamp, project.data.source.dates) == ("Tag", {"Tag": found})
    assert "predicts wear" in check_project(file)
    rows = read_known(project, datetime(2030, 1, 1, tzinfo=UTC))
    assert list(rows["Tag"].dt.tz_localize(None)) == list(days)


def test_dates_that_may_be_written_in_two_ways_are_for_a_person(tmp_path: Path) -> None:
    """If no day is beyond 12, `init` names both formats, and the column is neither time nor feature."""
    days = [f"{n % 12 + 1:02}/{n % 11 + 1:02}/2024" for n in range(300)]
    frame = pd.DataFrame(
        {"day": days, "size": [n % 97 * 3 for n in range(300)], "wear": [n % 7 / 2 for n in range(300)]}
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    file, _ = make_project_file(str(tmp_path / "a.csv"), "wear", tmp_path)
    assert load_project(file).data.timestamp is None
    assert '"%m/%d/%Y or %d/%m/%Y"' in file.read_text()


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes and amounts are found without reading the table again; only a decimal comma needs that."""
    reads: list[object] = []
    read = new_project.read_table

    def counted(*arguments: Any) -> Any:
        reads.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(new_project, "read_table", counted)
    frame = loans(300).assign(zip=["01067", "10115", None] * 100)
    frame.to_csv(tmp_path / "a.csv", index=False)
    file, _ = make_project_file(str(tmp_path / "a.csv"), "repaid", tmp_path)
    source = load_project(file).data.source
    assert isinstance(source, CsvSource)
    assert (source.text, source.numbers, len(reads)) == (("zip",), ("price",), 1)
    frame.to_csv(tmp_path / "b.csv", index=False, sep=";", decimal=",")
    make_project_file(str(tmp_path / "b.csv"), "repaid", tmp_path)
    assert len(reads) == 3


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    """A second `init` for the same name changes nothing and names what to do."""
    loans(100).to_csv(tmp_path / "loans.csv", index=False)
    file, _ = make_project_file(str(tmp_path / "loans.csv"), "repaid", tmp_path)
    before = file.read_text()
    with pytest.raises(ProjectError, match="exists and is not written over; give another --name"):
        make_project_file(str(tmp_path / "loans.csv"), "repaid", tmp_path)
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("table", "options", "error", "said"),
    [
        ("nope.csv", {}, ProjectError, "no such file or folder; a query needs --url-env"),
        ("SELECT 1", {"url_env": "X"}, ProjectError, "--name: a query has no name"),
        ("SELECT 1", {"url_env": "NOT_SET", "name": "a"}, ProjectError, r"\$NOT_SET is not set"),
        ("loans.csv", {"name": "My Model"}, ProjectError, "--name My Model: write small letters"),
        ("loans.csv", {"target": "x"}, DataError, "--target x: there is no such column; it has loan_id"),
    ],
)
def test_what_cannot_be_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, options: dict, error: type, said: str
) -> None:
    """A missing file, a query without a name or database, a bad name, an unknown target: no file is written."""
    monkeypatch.chdir(tmp_path)
    loans(100).to_csv("loans.csv", index=False)
    with pytest.raises(error, match=said):
        make_project_file(table, options.pop("target", "repaid"), tmp_path / "configs", **options)
    assert not (tmp_path / "configs").exists()


def test_a_separator_in_quotes_does_not_count(tmp_path: Path) -> None:
    """The first line's fields decide, whatever stands in their quotes; also in a gzipped file."""
    (tmp_path / "a.csv").write_text('"one; two; three",b,c\n')
    assert find_separator(tmp_path / "a.csv") == ","
    with gzip.open(tmp_path / "b.csv.gz", "wt") as stream:
        stream.write("a\tb,c\td\n")
    assert find_separator(tmp_path / "b.csv.gz") == "\t"


@pytest.mark.parametrize("rows", [300, 3_000])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_of_a_large_file_a_part_is_read(
    kind: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more rows than stated are read, from beginning to end; the report has the table's own number and says so."""
    monkeypatch.setattr(new_project, "MOST", 1_000)
    table = tmp_path / f"loans.{kind}"
    loans(rows).to_csv(table, index=False) if kind == "csv" else loans(rows).to_parquet(
        table, row_group_size=500
    )
    file, found = make_project_file(str(table), "repaid", tmp_path)
    told = dict(found)
    assert told["table"].startswith(f"{rows:,} rows, 13 columns")
    assert ("of them are read, from all parts" in told["table"]) == (rows > 1_000)
    assert ("regrow check --data" in str(found)) == (rows > 1_000)
    days = told["time"].partition(", ")[2]
    first, last = loans(rows)["issued_at"].iloc[[0, -1]].str[:10]
    assert days[:10] == first
    assert abs(pd.Timestamp(days[-10:]) - pd.Timestamp(last)) < pd.Timedelta("5D")
    assert load_project(file).retraining.least_labels == max(50, rows // 10)


def test_the_names_of_folders_are_no_features(tmp_path: Path) -> None:
    """What only the folders of a partitioned table say is left out, with the remedy; `label_delay` is in days."""
    frame = loans(300).assign(region=["north", "south", "west"] * 100)
    frame.loc[:, "repaid"] = ["yes", "no", "no", "yes", "no"] * 60
    frame.to_parquet(tmp_path / "loans", partition_cols=["region"])
    file, found = make_project_file(str(tmp_path / "loans"), "repaid", tmp_path)
    assert "region" not in (load_project(file).data.features or ())
    assert "label_delay: 0d\n" in file.read_text()
    assert "names of folders" in str(found) + file.read_text()
    assert "# - region  # left out" in file.read_text()


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zip"])
def test_compressed_files_are_read_as_plain_ones(suffix: str, tmp_path: Path) -> None:
    """Separator and encoding of a compressed file are found, as the readers take it."""
    content = loans(100).assign(städte="Köln").to_csv(index=False, sep=";").encode("cp1252")
    path = tmp_path / f"loans.csv.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("loans.csv", content)
    else:
        path.write_bytes({"gz": gzip, "bz2": bz2, "xz": lzma}[suffix].compress(content))
    file, _ = make_project_file(str(path), "repaid", tmp_path)
    source = load_project(file).data.source
    assert isinstance(source, CsvSource)
    assert (source.separator, source.encoding, file.name) == (";", "cp1252", "loans.yaml")
    assert len(read_known(load_project(file), datetime(2030, 1, 1, tzinfo=UTC))) == 100


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("aé\n", "utf-8"), ("aé\n", "utf-16"), ("aé\n", "utf-32"), ("aé€\n", "cp1252"), ("aé\x81\n", "latin-1"),
        ("a\n" * 2_000_000 + "é\n", "cp1252"),
    ],
)  # fmt: skip
def test_the_encoding_is_told_by_the_whole_file(content: str, encoding: str, tmp_path: Path) -> None:
    """One byte that is no UTF-8, however late it comes, decides."""
    (tmp_path / "a.csv").write_bytes(content.encode(encoding))
    assert find_encoding(tmp_path / "a.csv") == encoding


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("when", ["2024-05-01T10:00:00", "2024-05-02T10:00:00Z"] * 60, "`when`, 2024-05-01 to 2024-05-02"),
        ("valid_to", ["9999-12-31", "2024-05-02", "2024-05-03"] * 40, "`valid_to` has dates of the future"),
        ("when", ["2262-05-01", "2300-05-02"] * 60, "`when` has dates of the future"),
        ("when", ["1901-05-01", "1950-05-02"] * 60, "`when`, 1901-05-01 to 1950-05-02"),
        ("size", [1.5, float("inf"), 2.0, -2.5] * 30, "infinite values (30)"),
    ],
)
def test_odd_columns_are_told(column: str, values: list[Any], said: str, tmp_path: Path) -> None:
    """Times of several habits, of long ago or to come, and infinite values: the file passes `check --data`."""
    rows = {
        "x": range(120),
        "kind": ["a", "b", "c"] * 40,
        column: values,
        "y": ["no", "yes", "yes", "no"] * 30,
    }
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    file, found = make_project_file(str(tmp_path / "a.csv"), "y", tmp_path)
    assert said in str(found)
    assert "data: ok: 120 rows; " in next(check_data(load_project(file)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pd.DataFrame({"y": [1.5, float("inf")] * 20, "x": 1}), "--target y: infinite values"),
        ("x,y\n1,2\n".encode("utf-16-le") * 30, "holds zero bytes"),
        (b"", "No columns to parse"),
        (b"x,y\n1,2\n", "1 rows are too few"),
        (b"x,x,y\n" + b"1,2,3\n" * 30, "two columns named `x`"),
        (pd.DataFrame({"y": [None] * 30, "x": range(30)}), "it holds nothing in all rows"),
        (pd.DataFrame({"y": ["a"] * 30, "x": range(30)}), "it holds one value in all rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(content: Any, said: str, tmp_path: Path) -> None:
    """Each has an error of its own that names what is wrong, and no file is written."""
    table = tmp_path / "a.csv"
    content.to_csv(table, index=False) if isinstance(content, pd.DataFrame) else table.write_bytes(content)
    with pytest.raises(DataError, match=said):
        make_project_file(str(table), "y", tmp_path)
    assert not (tmp_path / "a.yaml").exists()


def test_an_encoding_that_is_a_guess_is_told(tmp_path: Path) -> None:
    """Of a file that is not UTF-8 the report says as what it is read: other alphabets would be read wrongly."""
    loans().assign(city="Köln").to_csv(tmp_path / "a.csv", index=False, encoding="latin-1")
    _, found = make_project_file(str(tmp_path / "a.csv"), "repaid", tmp_path)
    assert "the file is not UTF-8 and is read as cp1252; if words look wrong, write its `encoding`" in str(
        found
    )


@pytest.mark.long
def test_what_init_writes_can_be_trained_at_once(services: object, tmp_path: Path) -> None:
    """From a CSV of recurring customers with late labels to a champion without a word in between."""
    loans(1_500).to_csv(tmp_path / "loans.csv", index=False)
    file, _ = make_project_file(str(tmp_path / "loans.csv"), "repaid", tmp_path, "init-loans")
    assert train(file).passed
