from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regrow.base.errors import SnapshotError
from regrow.data.reference import sample_snapshot
from regrow.data.snapshots import write_snapshot


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))


def test_a_sample_is_the_same_each_time_and_holds_each_row_once():
    """A snapshot gives the same rows at each reading, none twice, from its whole length."""
    snapshot = write_snapshot(pd.DataFrame({"n": np.arange(600_000), "other": 0}))
    one, other = (sample_snapshot(snapshot, ["n"], 1000) for _ in range(2))
    assert one.equals(other)
    assert list(one.columns) == ["n"]
    assert one["n"].nunique() == 1000
    assert abs(one["n"].mean() - 300_000) < 30_000


def test_a_sample_is_kept_apart_from_its_snapshot():
    """A later run needs the sample alone, for the same columns and number; a sample that is lost is drawn anew."""
    snapshot = write_snapshot(pd.DataFrame({"n": np.arange(5000), "word": ["a", None] * 2500}))
    first = sample_snapshot(snapshot, ["n", "word"], 100)
    whole = snapshot.path
    whole.rename(whole.with_suffix(".away"))
    pd.testing.assert_frame_equal(sample_snapshot(snapshot, ["n", "word"], 100), first)
    for columns, rows in ((["n"], 100), (["n", "word"], 101)):
        with pytest.raises(SnapshotError):
            sample_snapshot(snapshot, columns, rows)
    whole.with_suffix(".away").rename(whole)
    for kept in whole.parent.glob("*.parquet"):
        if kept != whole:
            kept.unlink()
    pd.testing.assert_frame_equal(sample_snapshot(snapshot, ["n", "word"], 100), first)


def test_a_small_snapshot_is_read_whole():
    """Rows within the limit are all read, in their order."""
    snapshot = write_snapshot(pd.DataFrame({"n": [3, 1, 2]}))
    assert sample_snapshot(snapshot, ["n"], 3)["n"].tolist() == [3, 1, 2]
