from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from regrow.data.labels import read_labels
from regrow.data.sources import read_label_source
from regrow.errors import DataError
from regrow.project import Data, SklearnSource
from tasks.collect_labels import add_labels, add_told, matured_labels

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
    tomorrow = AS_OF + timedelta(days=1)
    early, late = matured_labels(ROWS, DATA, AS_OF), matured_labels(ROWS, DATA, tomorrow)
    assert [add_labels("m", early, AS_OF), add_labels("m", early, AS_OF)] == [1, 0]
    assert add_labels("m", late, tomorrow) == 1
    assert sorted(read_labels("m")["entity_id"]) == ["1", "2"]


def test_a_correction_of_the_source_counts_from_when_it_was_seen(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """A label that the source has changed is added; before that moment the old one stands."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    tomorrow = AS_OF + timedelta(days=1)
    labels = matured_labels(ROWS, DATA, AS_OF)
    add_labels("m", labels, AS_OF)
    assert add_labels("m", labels.assign(label=0.0), tomorrow) == 1
    assert read_labels("m", AS_OF)["label"].tolist() == [1]
    assert read_labels("m", tomorrow)["label"].tolist() == [0]


def test_labels_may_have_their_own_source(tmp_path, monkeypatch: pytest.MonkeyPatch, project):
    """A source of labels names rows by data.id or by prediction, and only what was known then is taken, once."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    source = {"kind": "csv", "path": "labels.csv"}
    data = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "id": "id", "labels": source}
    made = project(data=data)
    (tmp_path / "labels.csv").write_text(
        "id,prediction_id,label,labelled_at\n"
        "7,,1,2024-01-08\n7,,0,2024-01-09\n,p1,1,2024-01-09T12:00:00Z\n8,,,2024-01-09\n9,,1,2024-01-11\n"
    )
    assert made.data.labels is not None
    labels = read_label_source(made, made.data.labels, AS_OF - timedelta(days=5), AS_OF)
    assert [add_told("m", labels), add_told("m", labels)] == [3, 0]
    kept = read_labels("m").set_index("entity_id")["label"]
    assert (kept["7"], kept[kept.index.isna()].tolist()) == (0, [1])
    (tmp_path / "labels.csv").write_text("id,label\n7,1\n")
    with pytest.raises(DataError, match=r"data\.labels: .*`labelled_at`; it has id, label"):
        read_label_source(made, made.data.labels, AS_OF, AS_OF)
