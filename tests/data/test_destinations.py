"""Places for batch predictions: each takes a row once, and is refused if it holds something else."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable, write_deltalake

from regrow.base.errors import Busy, DataError, Unreachable
from regrow.data import destinations
from regrow.data.delta import TIME
from regrow.data.destinations import open_destination
from regrow.project import Project

Make = Callable[..., Project]
KINDS = ("parquet", "delta", "sqlite", "postgresql")


def rows(*numbers: int, model: str, version: int = 1) -> pa.Table:
    """Make the predictions of rows with these *numbers*."""
    count = len(numbers)
    return pa.table(
        {
            "prediction_id": [f"{number:032x}" for number in numbers],
            "event_time": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * count, TIME),
            "model": pa.array([model] * count, pa.string()),
            "version": pa.array([version] * count, pa.int64()),
            "flag": pa.array([True, None] * count, pa.bool_())[:count],
            "prediction": pa.array(np.arange(float(count))),
        }
    )


@pytest.fixture(params=KINDS)
def made(
    request: pytest.FixtureRequest, project: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """Make a project whose predictions go to one kind of place."""
    if request.param in {"parquet", "delta"}:
        return project(scoring={"destination": {"kind": request.param, "path": "out"}})
    url = f"sqlite:///{tmp_path / 'out.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("services").database.address("psycopg", "postgres")
        with sa.create_engine(url).begin() as connection:
            connection.execute(sa.text("DROP TABLE IF EXISTS answers"))
    monkeypatch.setenv("OUT_URL", url)
    return project(scoring={"destination": {"kind": "sql", "url_env": "OUT_URL", "table": "answers"}})


def read(project: Project) -> pd.DataFrame:
    """Read what stands in the destination of *project*."""
    folder, kind = project.path.parent, project.scoring.destination
    assert kind is not None
    if kind.kind == "parquet":
        return ds.dataset(folder / "out", format="parquet").to_table().to_pandas()
    if kind.kind == "delta":
        return DeltaTable(str(folder / "out")).to_pandas()
    return pd.read_sql("SELECT * FROM answers", sa.create_engine(os.environ["OUT_URL"]))


def test_a_row_is_taken_once(made: Project) -> None:
    """Rows come whole, the same ones again are none, by this run, the next one, and one that runs beside it."""
    name, table = made.name, rows(1, 2, 3, model=made.name)
    first, beside = (open_destination(made, 1, table.schema) for _ in range(2))
    assert first is not None
    assert beside is not None
    assert first.add(table) == 3
    if made.scoring.destination.kind != "parquet":  # A folder is locked while it is written, and not watched.
        assert beside.add(rows(3, 4, model=name)) == 1
    following = open_destination(made, 1, table.schema)
    assert following is not None
    assert following.add(rows(1, 4, 5, model=name)) == (
        2 if made.scoring.destination.kind == "parquet" else 1
    )
    found = read(made)
    assert sorted(int(each, 16) for each in found["prediction_id"]) == [1, 2, 3, 4, 5]
    assert found["prediction"].notna().all()
    assert pd.to_datetime(found["event_time"], utc=True).eq(pd.Timestamp("2026-01-01", tz="UTC")).all()


def test_a_place_with_other_columns_is_refused(made: Project) -> None:
    """A destination of another schema is refused by the column, and stays as it is."""
    opened = open_destination(made, 1, rows(model="m").schema)
    assert opened is not None
    opened.add(rows(1, model=made.name))
    other = rows(2, model=made.name).drop_columns(["flag"]).append_column("extra", pa.array(["x"]))
    with pytest.raises(
        DataError, match=r"destination: it exists with other columns: `extra` is missing there"
    ):
        open_destination(made, 1, other.schema)
    typed = rows(2, model=made.name).set_column(4, "flag", pa.array(["x"]))
    with pytest.raises(DataError, match=r"`flag` is (bool|BOOLEAN)"):
        open_destination(made, 1, typed.schema)
    assert len(read(made)) == 1


def test_a_reader_sees_whole_chunks_only(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What dies in the middle of a chunk leaves nothing of it, and the repetition writes it."""
    table = rows(*range(30), model=made.name)
    opened = open_destination(made, 1, table.schema)
    assert opened is not None
    opened.add(rows(99, model=made.name))

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(destinations, "SQL_ROWS", 10)
        broken.setattr(destinations, "flush_to_disk", die)
        broken.setattr(destinations, "append", die)
        broken.setattr(sa.engine.Connection, "commit", die)
        opened.add(table)
    assert len(read(made)) == 1
    again = open_destination(made, 1, table.schema)
    assert again is not None
    assert again.add(table) == 30


def test_no_two_runs_write_into_a_folder_at_once(project: Make, tmp_path: Path) -> None:
    """A folder that another run writes into is busy, which passes."""
    made = project(scoring={"destination": {"kind": "parquet", "path": "out"}})
    opened = open_destination(made, 1, rows(model="m").schema)
    assert opened is not None
    opened.add(rows(1, model=made.name))
    from regrow.data.files import locked_file

    with locked_file(tmp_path / "out" / "_partial" / "lock"), pytest.raises(Busy, match="another run writes"):
        opened.add(rows(2, model=made.name))


def test_a_table_of_somebody_else_is_refused(project: Make, tmp_path: Path) -> None:
    """A Delta table, or a file, that is no destination is named."""
    write_deltalake(tmp_path / "out", pa.table({"a": [1]}))
    with pytest.raises(DataError, match=r"`prediction_id` is missing there"):
        open_destination(
            project(scoring={"destination": {"kind": "delta", "path": "out"}}), 1, rows(model="m").schema
        )
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file; name a folder"):
        open_destination(
            project(scoring={"destination": {"kind": "parquet", "path": "file"}}), 1, rows(model="m").schema
        )


def test_a_database_that_is_away_may_come_back(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer is an outage, by the key of the destination."""
    monkeypatch.setenv("OUT_URL", "postgresql+psycopg://u:secret@127.0.0.1:1/db")
    made = project(scoring={"destination": {"kind": "sql", "url_env": "OUT_URL", "table": "answers"}})
    with pytest.raises(
        Unreachable, match=r"scoring\.destination\.url_env: \$OUT_URL: the database does not answer"
    ):
        open_destination(made, 1, rows(model="m").schema)


def test_a_place_without_decisions_goes_on_without(made: Project, caplog: pytest.LogCaptureFixture) -> None:
    """What was made before decisions were written takes new rows as it is, with a warning; a new one has them."""
    old = rows(1, 2, model=made.name)
    first = open_destination(made, 1, old.schema)
    assert first is not None
    first.add(old)
    new = rows(2, 3, model=made.name).append_column("decision", pa.array(["yes", "no"]))
    opened = open_destination(made, 1, new.schema)
    assert opened is not None
    assert "made before decisions were written" in caplog.text
    assert opened.add(new) == 1
    found = read(made)
    assert len(found) == 3
    assert "decision" not in found


@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_what_is_delivered_is_written_by_the_users_own_umask(
    kind: str, project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers of a destination are other users: its files and folders are as open as the user makes such things."""
    made = project(scoring={"destination": {"kind": kind, "path": "out"}})
    monkeypatch.setenv("REGROW_UMASK", "022")
    before = os.umask(0o077)
    try:
        place = open_destination(made, 1, (table := rows(1, model=made.name)).schema)
        assert place is not None
        place.add(table)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    out = made.path.parent / "out"
    assert out.stat().st_mode & 0o777 == 0o755
    assert {file.stat().st_mode & 0o777 for file in out.rglob("*.parquet")} == {0o644}


def test_a_place_marks_what_is_held_back_or_is_refused(made: Project) -> None:
    """A place without the mark takes no rows that need it; one that has it takes rows of a version without: null."""
    old = rows(1, model=made.name)
    marked = rows(2, 3, model=made.name).append_column("held_back", pa.array([True, False]))
    place = open_destination(made, 1, marked.schema)
    assert place is not None
    assert place.add(marked) == 2
    back = open_destination(made, 1, old.schema)
    assert back is not None
    assert back.add(old) == 1
    found = read(made).set_index("prediction_id")["held_back"]
    assert [None if pd.isna(found[f"{each:032x}"]) else bool(found[f"{each:032x}"]) for each in (1, 2, 3)] == [
        None, True, False,
    ]  # fmt: skip
    again = open_destination(made, 1, marked.schema)
    assert again is not None
    assert again.add(rows(4, model=made.name).append_column("held_back", pa.array([True]))) == 1


def test_a_place_without_the_mark_takes_no_rows_that_need_it(made: Project) -> None:
    """Whoever reads it would act on what is held back: it is refused by the column, and stays as it is."""
    old = rows(1, model=made.name)
    place = open_destination(made, 1, old.schema)
    assert place is not None
    place.add(old)
    marked = rows(2, model=made.name).append_column("held_back", pa.array([True]))
    with pytest.raises(DataError, match="`held_back` is missing there"):
        open_destination(made, 1, marked.schema)
    assert len(read(made)) == 1
