"""Immutable datasets."""

import errno
import os
from pathlib import Path
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regrow.base.errors import SnapshotError, StateError
from regrow.base.settings import load_settings
from regrow.data import snapshots
from regrow.data.snapshots import write_snapshot
from regrow.data.stores import MARK, make_store

TIMES = pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True).as_unit("us")
FRAME = pd.DataFrame({"n": [1.5, None], "text": ["a", None], "at": TIMES})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def files() -> list[Path]:
    return sorted(path for path in load_settings().snapshots.iterdir() if path.name != MARK)


def test_a_snapshot_is_what_was_written() -> None:
    """It reads back equal, says its rows, types and time range, and bears its SHA-256 as its name."""
    snapshot = write_snapshot(FRAME, "at")
    pd.testing.assert_frame_equal(snapshot.read(), FRAME)
    assert snapshot.rows == 2
    assert list(snapshot.columns) == ["n", "text", "at"]
    assert (str(snapshot.start), str(snapshot.end)) == (
        "2024-01-01 00:00:00+00:00",
        "2024-01-02 00:00:00+00:00",
    )
    assert [path.name for path in files()] == [f"{snapshot.digest}.parquet"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.tuples(st.integers(-5, 5), st.text(max_size=3)), max_size=5))
def test_the_same_content_is_the_same_snapshot(values: list[tuple[int, str]]) -> None:
    """Equal frames, whatever their index, give one digest and one file; that file is not written again."""
    frame = pd.DataFrame(values, columns=["n", "text"]).astype({"n": "int64", "text": "str"})
    first = write_snapshot(frame)
    path = snapshots.open_snapshot(first)
    written = path.stat()
    assert write_snapshot(frame.set_axis(range(7, 7 + len(frame)))) == first
    assert path.stat().st_ino == written.st_ino
    assert (
        write_snapshot(pd.concat([frame, frame.assign(n=9), frame[:0]])).digest != first.digest or frame.empty
    )


def test_a_changed_file_is_refused() -> None:
    """A file that is not the one that was written is an error, and so is one that is gone."""
    snapshot = write_snapshot(FRAME)
    path = snapshots.open_snapshot(snapshot)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(SnapshotError, match="content has SHA-256"):
        snapshot.read()
    path.unlink()
    with pytest.raises(SnapshotError, match="the snapshot is gone"):
        snapshot.read()


def test_a_home_that_is_no_folder_is_said(home: Path) -> None:
    """A state folder that cannot be made is an error that names it and REGROW_HOME."""
    home.write_text("a file")
    with pytest.raises(StateError, match=r"snapshots: cannot be written .* REGROW_HOME"):
        write_snapshot(FRAME)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_leaves_nothing(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full no file is left, neither whole nor partial."""

    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    make_store(load_settings().snapshots)
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StateError, match="make room"):
        write_snapshot(FRAME)
    assert files() == []


def test_huge_whole_numbers_beside_nulls_stay_whole() -> None:
    """A float cannot hold them; smaller ones beside nulls are floats, as pandas reads them."""
    huge, small = [2**53 + 1, None, -(2**63), 2**63 - 1], [1, None, 2, 3]
    frame = pd.DataFrame({"huge": huge, "small": small}, dtype=object)
    read = write_snapshot(frame).read()
    assert read["huge"].tolist() == huge
    assert read["small"].dtype == "float64"


def test_odd_types_are_kept_in_plain_ones() -> None:
    """UUIDs and intervals become text, sparse columns and dictionaries plain ones, with their gaps."""
    frame = pd.DataFrame(
        {
            "uuid": [UUID(int=1), None],
            "interval": pd.cut([1, 5], [0, 2, 9]),
            "sparse": pd.arrays.SparseArray([0, 1]),
            "words": pd.Series(["a", None], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
        }
    )
    back = write_snapshot(frame).read()
    assert back["uuid"].tolist()[0] == str(UUID(int=1))
    assert back["uuid"].isna().tolist() == [False, True]
    assert back["interval"].tolist() == ["(0, 2]", "(2, 9]"]
    assert back["sparse"].tolist() == [0, 1]
    assert back["words"].isna().tolist() == [False, True]


def test_a_snapshot_is_found_where_the_store_stands_now(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is relative to the store; a full one, as up to version 0.3, is read by the digest in it."""
    snapshot = write_snapshot(FRAME)
    assert snapshot.uri == f"snapshots/{snapshot.digest}.parquet"
    old = snapshot.model_copy(update={"uri": snapshot.path.as_uri()})
    home.rename(home.with_name("moved"))
    with pytest.raises(SnapshotError, match="the snapshot is gone"):
        snapshot.read()
    monkeypatch.setenv("REGROW_HOME", str(home.with_name("moved")))
    pd.testing.assert_frame_equal(snapshot.read(), FRAME)
    pd.testing.assert_frame_equal(old.read(), FRAME)


def test_a_snapshot_of_another_store_is_read_where_its_address_says(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full address of a place outside the store still leads there."""
    snapshot = write_snapshot(FRAME)
    old = snapshot.model_copy(update={"uri": snapshot.path.as_uri()})
    monkeypatch.setenv("REGROW_HOME", str(home.with_name("other")))
    pd.testing.assert_frame_equal(old.read(), FRAME)
