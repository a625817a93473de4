from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from regrow.project import Data, SklearnSource
from regrow.tables.labels import read_labels
from tasks.collect_labels import add_labels, matured_labels

AS_OF = datetime(2024, 1, 10, tzinfo=UTC)
DATA = Data(
    source=SklearnSource(kind="sklearn", dataset="iris"),
    target="late",
    timestamp="at",
    id="id",
    label_delay=timedelta(days=2),
)
ROWS = pd.DataFrame(
    {
        "id": [1, 2, 3],
        "at": pd.to_datetime(["2024-01-08", "2024-01-09", "2024-01-01"], utc=True),
        "late": [1.0, 0.0, None],
    }
)


def test_only_matured_labels_are_taken():
    """A target counts as known its delay after the event, and a missing one never."""
    labels = matured_labels(ROWS, DATA, AS_OF)
    assert labels["entity_id"].tolist() == ["1"]
    assert labels["labelled_at"].tolist() == [pd.Timestamp(AS_OF)]


def test_a_second_collection_adds_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Labels that the table holds are not added again; new ones are."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    early = matured_labels(ROWS, DATA, AS_OF)
    late = matured_labels(ROWS, DATA, AS_OF + timedelta(days=1))
    assert [add_labels("m", early), add_labels("m", early), add_labels("m", late)] == [1, 0, 1]
    assert sorted(read_labels("m")["entity_id"]) == ["1", "2"]
