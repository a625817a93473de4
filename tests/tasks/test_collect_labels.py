from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from regrow.base.errors import DataError
from regrow.data.joining import join_labels
from regrow.data.labels import read_labels
from regrow.data.sources import read_label_source
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
DATA_WITH_LABELS = {
    "source": {"kind": "csv", "path": "rows.csv"},
    "target": "late",
    "id": "id",
    "labels": {"kind": "csv", "path": "labels.csv"},
}
ROWS = pd.DataFrame(
    {
        "id": [1, 2, 3],
        "at": pd.to_datetime(["2024-01-08", "2024-01-09", "2024-01-01"], utc=True),
        "late": [1.0, 0.0, None],
    }
)


def test_only_matured_labels_are_taken():
    """A target counts as known its delay after the event, and a missing one never."""
    labels = matured_labels(ROWS, ROWS[["late"]], DATA, AS_OF)
    assert labels["row_key"].tolist() == ["1"]
    assert labels["labelled_at"].tolist() == [pd.Timestamp(AS_OF)]


def test_ids_keep_their_names_beside_a_gap():
    """A missing id makes whole numbers floats; row 7 is `7` all the same, and a row without an id has another key."""
    at = pd.to_datetime(["2024-01-01"] * 3, utc=True)
    rows = pd.DataFrame({"id": [7, None, 8], "at": at, "late": [1.0, 1.0, 0.0]})
    keys = matured_labels(rows, rows[["late"]], DATA, AS_OF)["row_key"].tolist()
    assert (keys[0], keys[2]) == ("7", "8")
    assert len(set(keys)) == 3


def test_a_second_collection_adds_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Labels that the table holds are not added again; new ones are."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    tomorrow = AS_OF + timedelta(days=1)
    early, late = (
        matured_labels(ROWS, ROWS[["late"]], DATA, AS_OF),
        matured_labels(ROWS, ROWS[["late"]], DATA, tomorrow),
    )
    assert [add_labels("m", early, AS_OF), add_labels("m", early, AS_OF)] == [1, 0]
    assert add_labels("m", late, tomorrow) == 1
    assert sorted(read_labels("m")["row_key"]) == ["1", "2"]


def test_a_correction_of_the_source_counts_from_when_it_was_seen(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """A label that the source has changed is added; before that moment the old one stands."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    tomorrow = AS_OF + timedelta(days=1)
    labels = matured_labels(ROWS, ROWS[["late"]], DATA, AS_OF)
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
    kept = read_labels("m").set_index("row_key")["label"]
    assert (kept["7"], kept[kept.index.isna()].tolist()) == (0, [1])
    (tmp_path / "labels.csv").write_text("id,label\n7,1\n")
    with pytest.raises(DataError, match=r"data\.labels: .*`labelled_at`; it has id, label"):
        read_label_source(made, made.data.labels, AS_OF, AS_OF)


def test_a_label_that_names_no_row_is_named(tmp_path, project):
    """A label without id or prediction is an error with file, key and row of the source."""
    (tmp_path / "labels.csv").write_text("id,label,labelled_at\n7,1,2024-01-08\n,1,2024-01-08\n")
    made = project(data=DATA_WITH_LABELS)
    with pytest.raises(DataError, match=r"yaml: data\.labels: row 1 has no `id`"):
        read_label_source(made, made.data.labels, AS_OF - timedelta(days=5), AS_OF)


def test_a_label_without_its_time_is_named(tmp_path, project):
    """A label whose time does not parse is an error with file, key, row and value."""
    (tmp_path / "labels.csv").write_text("id,label,labelled_at\n7,1,2024-01-08\n8,1,1704412800\n")
    made = project(data=DATA_WITH_LABELS)
    with pytest.raises(
        DataError, match=r"yaml: data\.labels: column `labelled_at`, row 1: '1704412800' is not"
    ):
        read_label_source(made, made.data.labels, AS_OF - timedelta(days=5), AS_OF)


@pytest.mark.parametrize(
    "returned", ["pd.DataFrame()", "pd.DataFrame({'id': [], 'label': [], 'labelled_at': []})"]
)
def test_no_label_yet_is_no_error(returned, tmp_path, monkeypatch: pytest.MonkeyPatch, project):
    """A source of labels that has none yet gives an empty frame, with or without columns, and nothing is added."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    (tmp_path / "late.py").write_text(f"import pandas as pd\ndef load(start, end):\n    return {returned}\n")
    made = project(data=DATA_WITH_LABELS | {"labels": {"kind": "python", "load": "late:load"}})
    labels = read_label_source(made, made.data.labels, AS_OF - timedelta(days=5), AS_OF)
    assert (len(labels), add_told("m", labels), len(read_labels("m"))) == (0, 0, 0)


def test_labels_come_in_several_pieces(tmp_path, monkeypatch: pytest.MonkeyPatch, project):
    """Labels from a folder of Parquet files, text among them, are one frame and join as one."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    (tmp_path / "labels").mkdir()
    for place, name in enumerate("ab"):
        part = {"id": [f"{name}1", f"{name}2"], "label": ["yes", "no"], "labelled_at": [AS_OF, AS_OF]}
        pd.DataFrame(part).to_parquet(tmp_path / "labels" / f"{place}.parquet")
    made = project(data=DATA_WITH_LABELS | {"labels": {"kind": "parquet", "path": "labels"}})
    labels = read_label_source(made, made.data.labels, AS_OF - timedelta(days=5), AS_OF)
    assert [add_told("m", labels), add_told("m", labels)] == [4, 0]
    ids = pd.concat([pd.Series(["a1", "zz"], dtype="str"), pd.Series(["b2"], dtype="str")])
    rows = pd.DataFrame({"row_key": None, "entity_id": ids, "prediction_id": ["p1", "p2", "p3"]})
    assert join_labels("m", rows, read_labels("m"), DATA).rows["label"].tolist() == ["yes", "no"]


def test_an_entity_has_a_label_each_month() -> None:
    """A customer who comes back has a label of its own for each row, named by key, entity and event time."""
    at = pd.to_datetime(["2024-01-01", "2024-01-01", "2024-01-05"], utc=True)
    rows = pd.DataFrame({"customer": [7, 8, 7], "at": at, "late": [1, 0, 0]})
    data = DATA.model_copy(update={"id": None, "entity": "customer"})
    labels = matured_labels(rows, rows[["late"]], data, AS_OF)
    assert labels["row_key"].nunique() == 3
    assert labels["entity_id"].tolist() == ["7", "8", "7"]
    assert labels["event_time"].tolist() == at.tolist()
    assert labels["labelled_at"].tolist() == (at + pd.Timedelta(days=2)).tolist()


def test_labels_of_an_entity_tell_their_month(tmp_path, project):
    """A source of labels names the entity by data.entity and the event by data.timestamp."""
    data = {name: value for name, value in DATA_WITH_LABELS.items() if name != "id"}
    made = project(data=data | {"entity": "customer", "timestamp": "at"})
    (tmp_path / "labels.csv").write_text(
        "customer,at,label,labelled_at\n7,2024-01-01,1,2024-01-08\n7,,0,2024-01-09\n"
    )
    labels = read_label_source(made, made.data.labels, AS_OF - timedelta(days=5), AS_OF)
    assert labels["entity_id"].tolist() == ["7", "7"]
    assert labels["event_time"].tolist() == [pd.Timestamp("2024-01-01", tz="UTC"), pd.NaT]


@pytest.mark.parametrize(
    ("written", "event"), [("%m/%d/%Y", "01/05/2024"), ("%m/%d/%Y", "2024-01-05"), ("epoch_s", 1_704_412_800)]
)
def test_the_event_of_a_label_is_written_as_those_of_the_rows(tmp_path, project, written, event):
    """`data.timestamp_format` reads the labels' column of the same name too; a date by ISO 8601 is one anyhow."""
    pd.DataFrame({"who": ["C1"], "at": [event], "label": [1.0], "labelled_at": ["2024-01-09"]}).to_parquet(
        tmp_path / "labels.parquet"
    )
    made = project(
        data={
            **DATA_WITH_LABELS,
            "id": None,
            "entity": "who",
            "timestamp": "at",
            "timestamp_format": written,
            "labels": {"kind": "parquet", "path": str(tmp_path / "labels.parquet")},
        }
    )
    assert made.data.labels is not None
    labels = read_label_source(made, made.data.labels, AS_OF - timedelta(days=5), AS_OF)
    assert labels["event_time"].tolist() == [pd.Timestamp("2024-01-05", tz="UTC")]


def test_only_labels_of_the_same_time_are_looked_at(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """What is known already of rows of a period is found among the labels from then on, and nothing is added twice."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    old = pd.DataFrame({"row_key": ["0"], "label": [1.0], "labelled_at": [AS_OF - timedelta(days=90)]})
    add_told("m", old)
    labels = matured_labels(ROWS, ROWS[["late"]], DATA, AS_OF)
    since = labels["labelled_at"].min() - DATA.label_delay
    assert [add_labels("m", labels, AS_OF, since) for _ in range(2)] == [1, 0]
    assert add_labels("m", labels.assign(label=0.0), AS_OF + timedelta(days=1), since) == 1
    told_early = pd.DataFrame({"row_key": ["1"], "label": [1.0], "labelled_at": [AS_OF - timedelta(days=90)]})
    add_told("m", told_early)
    assert add_labels("m", labels.assign(label=0.0), AS_OF + timedelta(days=1), since) == 0
    assert read_labels("m").set_index("row_key")["label"].to_dict() == {"0": 1, "1": 1}
