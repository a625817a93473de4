"""Appends happen once, and take what a feature becomes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regrow.base.errors import NewerFormat, RowsRefused, StateError
from regrow.data import delta
from regrow.data.delta import TABLE_FORMAT, append, open_table, scan
from regrow.data.predictions import append_predictions, read_predictions

Rows = Callable[..., pa.Table]
TABLE = pa.table({"a": [1, 2]})


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(1, 3), min_size=1, max_size=5))
def test_a_replayed_append_changes_nothing(
    order: list[int], tmp_path_factory: pytest.TempPathFactory, rows: Rows
) -> None:
    """However often and in whatever order numbers come again, a number below the last is never appended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGROW_HOME", str(tmp_path_factory.mktemp("home")))
        last = 0
        for number in order:
            assert append_predictions("demo", rows(1, number), "writer", number) == (number > last)
            last = max(last, number)
        assert read_predictions("demo").rows["prediction_id"].is_unique


def test_a_state_folder_that_cannot_be_written_says_so(home: Path, rows: Rows) -> None:
    """A file where the tables should be is a StateError that names the path."""
    (home / "tables").write_text("")
    with pytest.raises(StateError, match="tables"):
        append_predictions("demo", rows(1), "writer")


def test_features_may_come_and_change_their_type(rows: Rows) -> None:
    """A new column is added; one of another type stands beside the old one; no row is lost."""
    append_predictions("demo", rows(1), "writer", 1)
    append_predictions("demo", rows(1, 1, size="large", weight=2.0), "writer", 2)
    logged = read_predictions("demo")
    frame = logged.features.set_index(logged.rows["prediction_id"])
    assert frame.loc["p0", "size"] == 1.0
    assert frame.loc["p1", "size__string"] == "large"
    assert frame.loc["p1", "weight"] == 2.0


def test_features_may_change_their_capitals(rows: Rows) -> None:
    """A column of a new version that the log knows in other capitals stands beside the old one; no row is lost."""
    append_predictions("demo", rows(1), "writer", 1)
    append_predictions("demo", rows(1, 1, Size=2.0), "writer", 2)
    append_predictions("demo", rows(1, 2, Size=3.0), "writer", 3)
    logged = read_predictions("demo")
    assert sorted(logged.features["Size__double"].dropna()) == [2.0, 3.0]
    assert logged.features["size"].dropna().tolist() == [1.0]


def test_a_scan_is_of_the_table_as_it_is(tmp_path: Path) -> None:
    """What is kept of a state serves that state alone: not the next one, nor another table that takes its place."""
    path = tmp_path / "t"
    assert scan(path) is None
    counts: list[int] = []
    for number in (1, 2):
        append(path, TABLE, "w", number)
        counts += [scan(path).count_rows(), scan(path).count_rows(), scan(path, 0).count_rows()]
        assert scan(path) is scan(path)
    assert counts == [2, 2, 2, 4, 4, 2]
    shutil.rmtree(path)
    append(path, TABLE.slice(0, 0), "w", 1)
    append(path, TABLE.slice(0, 0), "w", 2)
    assert (scan(path).count_rows(), scan(path, 0).count_rows()) == (0, 0)
    for number in range(3, 9):
        append(path, TABLE, "w", number)
        assert scan(path).count_rows() == 2 * (number - 2)
        assert sum(of == path for of, _ in delta._scanned) <= 2
    for number in range(9):
        append(tmp_path / str(number), TABLE, "w", 1)
        scan(tmp_path / str(number))
    assert len(delta._scanned) == delta.SCANNED


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    """A table whose own log is damaged is an error with its path and a way out, for readers and writers alike."""
    append(tmp_path / "t", TABLE, "w", 1)
    next((tmp_path / "t" / "_delta_log").glob("*.json")).write_text("nonsense")
    for use in (lambda: open_table(tmp_path / "t"), lambda: append(tmp_path / "t", TABLE, "w", 2)):
        with pytest.raises(
            StateError, match=r"/t: the table cannot be opened \(.*Json error.*\); restore"
        ) as raised:
            use()
        assert "<unknown>" not in str(raised.value)


def test_columns_that_differ_only_by_capitals_stand_beside_each_other(rows: Rows) -> None:
    """To Delta Lake they are one, in a new log too; the second is renamed, always in the same way."""
    for number in (1, 2):
        append_predictions("demo", rows(1, number, Age=1.0, age=2.0), "writer", number)
    features = read_predictions("demo").features
    assert features[["Age", "age__double"]].to_numpy().tolist() == [[1.0, 2.0]] * 2


def test_rows_that_a_table_cannot_hold_are_told_apart(rows: Rows) -> None:
    """Three names that differ only by capitals are refused for what they are, not for the disk."""
    with pytest.raises(RowsRefused, match="Duplicate field name"):
        append_predictions("demo", rows(1, age=1.0, Age=2.0, AGE=3.0), "writer", 1)


def test_rows_of_another_type_are_named(tmp_path: Path) -> None:
    """Rows that the table's columns cannot take are an error with the path and the number of rows."""
    append(tmp_path / "t", pa.table({"a": [1, 2]}), "w", 1)
    with pytest.raises(StateError, match=r"/t: 1 rows cannot be appended \("):
        append(tmp_path / "t", pa.table({"a": [[1.5]]}), "w", 2)


def test_a_table_says_its_format(tmp_path: Path) -> None:
    """A table of a later format is refused; one that says none, from up to version 0.3, is read."""
    for name, description in (("old", None), ("later", "Regrow, format 99")):
        write_deltalake(str(tmp_path / name), TABLE, description=description)
    append(tmp_path / "new", TABLE, "w", 1)
    new = open_table(tmp_path / "new")
    assert new is not None
    assert new.metadata().description == f"Regrow, format {TABLE_FORMAT}"
    assert open_table(tmp_path / "old") is not None
    with pytest.raises(NewerFormat, match=r"format 99, this one reads up to 1"):
        open_table(tmp_path / "later")
