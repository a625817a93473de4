"""Rows of a snapshot with their sampling units."""

from pathlib import Path

import pandas as pd
import pytest

from regrow.data.snapshots import write_snapshot
from regrow.inspection.sampled import sample_with_units
from regrow.project import Data


def test_rows_are_read_with_their_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The day of a row of the reference is known if its time is; of a request a table knows nothing."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    at = pd.to_datetime(["2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z", "2026-01-02T00:00:00Z"])
    snapshot = write_snapshot(pd.DataFrame({"size": [1.0, 2.0, 3.0], "at": at}), "at")
    source = {"source": {"kind": "csv", "path": "x.csv"}, "target": "late", "timestamp": "at"}
    frame, units = sample_with_units(snapshot, ["size"], 10, Data.model_validate(source))
    assert (list(frame), units.codes.tolist() if units else None) == (["size"], [0, 0, 1])
    for asked in (None, Data.model_validate(source | {"unit": "request"})):
        assert sample_with_units(snapshot, ["size"], 10, asked)[1] is None
