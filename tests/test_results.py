"""What steps hand to one another."""

from pathlib import Path

import pandas as pd
import pytest

from regrow.data.snapshots import write_snapshot
from regrow.results import Window


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))


def test_only_raw_columns_on_both_sides_are_shared():
    """The target was never served and the log's own columns are no features: neither is compared."""
    reference = write_snapshot(pd.DataFrame({"size": [1.0], "version": [1.0], "_x": [1.0], "late": [1]}))
    logged, features = (
        write_snapshot(pd.DataFrame({"version": [1], "late": [1]})),
        write_snapshot(pd.DataFrame({"_x": [1.0], "size": [1.0]})),
    )
    assert Window(predictions=logged, features=features).shared_features(reference) == ["size", "_x"]
