"""A folder of the store that has gone away is never taken for an empty one."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from regrow.base.errors import StateError, StoreAway
from regrow.base.settings import load_settings
from regrow.data.delta import append, committed, open_table
from regrow.data.erasure import rewrite_snapshot
from regrow.data.snapshots import write_snapshot
from regrow.data.stores import MARK, check_store, check_stores, make_store, note_old_stores
from regrow.data.tidying import remove_old_files
from regrow.lineage.outages import may_pass, names_an_outage

TABLE, FRAME = pa.table({"x": [1]}), pd.DataFrame({"x": [1.0]})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the state in a folder of the test's own."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    return tmp_path


def rows_of(path: Path) -> int:
    """Count the rows of the table at *path*."""
    table = open_table(path)
    return 0 if table is None else table.count()


def nothing_below(folder: Path) -> bool:
    """Return whether *folder* is not there or empty."""
    return not folder.exists() or not any(folder.iterdir())


@pytest.mark.parametrize("isempty", [False, True], ids=["renamed", "not mounted"])
def test_a_table_that_is_away_takes_no_row_and_has_not_lost_one(home: Path, isempty: bool) -> None:
    """While the tables are away appends and reads fail and name them, nothing takes their place, and all come back."""
    tables, path = load_settings().tables, load_settings().tables / "predictions" / "m"
    append(path, TABLE, "w", 1)
    tables.rename(home / "elsewhere")
    if isempty:
        tables.mkdir()
    for use in (lambda: append(path, TABLE, "w", 2), lambda: open_table(path), lambda: committed(path, "w")):
        with pytest.raises(StoreAway, match=rf"{tables}: this folder of the store is away \(.*\); mount it"):
            use()
    assert nothing_below(tables)
    if isempty:
        tables.rmdir()
    (home / "elsewhere").rename(tables)
    assert (append(path, TABLE, "w", 1), append(path, TABLE, "w", 2)) == (False, True)
    assert rows_of(path) == 2


def test_rows_that_went_into_another_folder_are_not_taken_for_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the tables go away in the middle of an append, it fails, and is done again into the right ones."""
    from regrow.data import delta

    tables, path = load_settings().tables, load_settings().tables / "predictions" / "m"
    append(path, TABLE, "w", 1)
    write: Callable[..., None] = delta.write_deltalake

    def away_then_write(*args: object, **more: object) -> None:
        tables.rename(home / "elsewhere")
        write(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(delta, "write_deltalake", away_then_write)
        with pytest.raises(StateError):
            append(path, TABLE, "w", 2)
    with pytest.raises(StoreAway):
        append(path, TABLE, "w", 2)
    tables.rename(home / "stray")
    (home / "elsewhere").rename(tables)
    assert append(path, TABLE, "w", 2)
    assert rows_of(path) == 2


def test_snapshots_that_are_away_are_not_written_elsewhere_or_taken_for_gone(home: Path) -> None:
    """Writing, reading and erasing name the folder; once it is back all is as it was, and nothing is half there."""
    folder, kept = load_settings().snapshots, write_snapshot(FRAME)
    folder.rename(home / "elsewhere")
    for use in (lambda: write_snapshot(FRAME), kept.read, lambda: rewrite_snapshot(kept.digest, ["x"], "1")):
        with pytest.raises(StoreAway, match="snapshots"):
            use()
    assert nothing_below(folder)
    (home / "elsewhere").rename(folder)
    assert write_snapshot(FRAME) == kept and len(kept.read()) == 1


def test_an_absence_may_pass() -> None:
    """A step is tried again, and a scheduled run that ended so is done again later."""
    assert may_pass(StoreAway("away"))
    assert names_an_outage("Flow run encountered an exception: StoreAway: away")


def test_who_wants_to_begin_anew_removes_the_note(home: Path) -> None:
    """Deleted on purpose, a folder is made again once its note is gone, as the error says."""
    folder = load_settings().tables
    make_store(folder)
    (folder / MARK).unlink()
    with pytest.raises(StoreAway, match=r"remove (\S+)$") as raised:
        make_store(folder)
    Path(str(raised.value).rpartition(" ")[2]).unlink()
    make_store(folder)
    check_store(folder)


def test_folders_of_an_earlier_version_are_known_from_now_on(home: Path) -> None:
    """At the start what is there is noted, and what never was there is no loss; what is away stays so."""
    settings = load_settings()
    settings.tables.mkdir()
    note_old_stores(settings)
    check_stores(load_settings())
    settings.tables.rename(home / "elsewhere")
    settings.tables.mkdir()
    note_old_stores(settings)
    with pytest.raises(StoreAway):
        check_stores(load_settings())


def test_tidying_leaves_the_mark(home: Path) -> None:
    """However old it is: without it the folder would be away."""
    make_store(load_settings().snapshots)
    remove_old_files(load_settings().snapshots, days=-1)
    check_stores(load_settings())
