"""The labels."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regrow.base.errors import DataError
from regrow.data.delta import append
from regrow.data.labels import (
    LABELS,
    append_labels,
    label_history,
    labels_path,
    read_labels,
    select_changes,
)

START = pd.Timestamp("2026-01-01", tz="UTC")


def test_the_last_label_of_an_entity_wins() -> None:
    """A corrected label replaces the one before; text labels are kept as text."""
    truth = pd.DataFrame({"entity_id": [1, 1, 2], "label": [0, 1, 1], "labelled_at": [START] * 3})
    assert append_labels("demo", truth, "first")
    assert not append_labels("demo", truth, "first")
    append_labels("demo", truth.tail(1).assign(label="late", labelled_at=START + pd.Timedelta(1, "h")), "b")
    assert dict(read_labels("demo")[["entity_id", "label"]].to_numpy()) == {"1": 1.0, "2": "late"}


def test_labels_without_a_column_are_refused() -> None:
    """The message names the column."""
    with pytest.raises(DataError, match="labelled_at"):
        append_labels("demo", pd.DataFrame({"entity_id": [1], "label": [1]}), "first")


Row = tuple[str | None, str | None, object, int, int]


def labels(*rows: Row) -> pd.DataFrame:
    """Make labels of prediction_id, entity_id, label, and the hours of truth and arrival."""
    frame = pd.DataFrame(rows, columns=["prediction_id", "entity_id", "label", "labelled_at", "received_at"])
    times = {name: START + pd.to_timedelta(frame[name], "h") for name in ("labelled_at", "received_at")}
    return frame.assign(**times)


LABEL = st.tuples(
    st.sampled_from(["a", "b"]), st.booleans(), st.sampled_from([0, 1, "late"]), st.integers(0, 2), st.integers(0, 3)
).map(lambda row: (row[0] if row[1] else None, None if row[1] else row[0], *row[2:]))  # fmt: skip
BATCHES = st.lists(st.lists(LABEL, min_size=1, max_size=4), min_size=1, max_size=4)


def current(batches: list[list[Row]], home: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Append *batches* to an empty table and read what counts, now and at the first hour."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGROW_HOME", str(home))
        for number, batch in enumerate(batches, 1):
            append_labels("demo", labels(*batch), "writer", number)
        keys = ["prediction_id", "entity_id", "labelled_at"]
        then = read_labels("demo", START.to_pydatetime())
        return read_labels("demo").sort_values(keys), then.sort_values(keys)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES, data=st.data())
def test_neither_order_nor_repetition_of_batches_matters(
    batches: list[list[Row]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any order and repetition of the same batches gives the same labels, now and at any moment before."""
    again = data.draw(st.permutations([*batches, *data.draw(st.lists(st.sampled_from(batches), max_size=2))]))
    for one, other in zip(
        current(batches, tmp_path_factory.mktemp("one")),
        current(again, tmp_path_factory.mktemp("other")),
        strict=True,
    ):
        pd.testing.assert_frame_equal(
            one.reset_index(drop=True), other.reset_index(drop=True), check_dtype=False
        )


def test_the_last_truth_counts_then_the_last_arrival() -> None:
    """A changed label keeps both with their times; one that arrives late with an older truth changes nothing."""
    append_labels("demo", labels((None, "e", 0, 1, 1)), "writer", 1)
    append_labels("demo", labels((None, "e", 1, 2, 2)), "writer", 2)
    append_labels("demo", labels((None, "e", 2, 2, 3)), "writer", 3)
    append_labels("demo", labels((None, "e", 3, 0, 4)), "writer", 4)
    assert read_labels("demo")["label"].iloc[-1] == 2
    assert read_labels("demo", (START + pd.Timedelta(1, "h")).to_pydatetime())["label"].iloc[-1] == 0
    assert label_history("demo", entity_id="e")["label"].tolist() == [3, 0, 1, 2]
    assert label_history("demo", entity_id="f").empty


def test_what_has_a_name_of_its_own_has_one_label() -> None:
    """There is one label for each row key and each entity and moment; of an entity alone each truth is kept."""
    frame = pd.DataFrame(
        {
            "row_key": ["k", "k", None, None, None, None],
            "entity_id": ["e", None, "e", "e", "e", "e"],
            "event_time": [START, pd.NaT, START, START, pd.NaT, pd.NaT],
            "label": [0, 1, 2, 3, 4, 5],
            "labelled_at": START + pd.to_timedelta(range(6), unit="h"),
        }
    )
    append_labels("demo", frame, "writer")
    assert read_labels("demo")["label"].tolist() == [1, 3, 4, 5]


def test_the_same_label_is_stored_once() -> None:
    """What the table holds is not appended again, whoever sends it; a new truth beside it is."""
    sent = labels(("p", None, 1, 0, 1), (None, "e", "late", 0, 1))
    assert append_labels("demo", sent, "writer", 1) == 2
    assert append_labels("demo", sent, "another") == 0
    more = labels((None, "e", "late", 0, 2), (None, "e", "early", 0, 2))
    assert append_labels("demo", more, "writer", 2) == 1
    assert label_history("demo", entity_id="e")["label"].tolist() == ["late", "early"]
    assert label_history("demo", prediction_id="p")["label"].tolist() == [1]


def test_old_labels_are_read_with_new_ones() -> None:
    """Rows from before labels had a prediction or an arrival count until another comes."""
    old = pa.schema([field for field in LABELS if field.name not in {"prediction_id", "received_at"}])
    table = pa.Table.from_pylist([{"entity_id": "e", "label": 0.0, "labelled_at": START}], old)
    append(labels_path("demo"), table, "before", 1)
    assert read_labels("demo")["label"].tolist() == [0]
    assert append_labels("demo", labels((None, "e", 0, 0, 5)), "writer", 1) == 0
    assert append_labels("demo", labels((None, "e", 1, 0, 1), ("p", None, 1, 0, 1)), "writer", 2) == 2
    assert read_labels("demo").set_index("entity_id").loc["e", "label"] == 1
    assert label_history("demo", prediction_id="p")["label"].tolist() == [1]


def test_a_source_tells_only_what_changed() -> None:
    """A label that stands already is left out; a correction was known when it was seen, and can be taken back."""
    moments = [(START + pd.Timedelta(hour, "h")).to_pydatetime() for hour in (1, 2, 3)]
    for number, (moment, label) in enumerate(zip(moments, ["no", "yes", "no"], strict=True)):
        source = pd.DataFrame({"entity_id": ["e"], "label": [label], "labelled_at": [START]})
        changes = select_changes("demo", source, moment)
        assert len(changes) == 1
        assert append_labels("demo", changes, "source", number + 1) == 1
        assert select_changes("demo", source, moment).empty
        assert read_labels("demo", moment)["label"].iloc[-1] == label
    assert label_history("demo")["label"].tolist() == ["no", "yes", "no"]


def test_a_label_that_was_told_outlives_the_sources_target() -> None:
    """The target of the source never counts for more than a label over HTTP, whichever was known first."""
    moments = [(START + pd.Timedelta(hour, "h")).to_pydatetime() for hour in (1, 2, 3)]
    source = pd.DataFrame({"row_key": ["7", "8"], "label": [0, 0], "labelled_at": [START] * 2})
    append_labels("demo", select_changes("demo", source, moments[0]), "source", origin="target")
    early = START - pd.Timedelta(1, "h")
    http = pd.DataFrame({"row_key": ["7"], "label": [1], "labelled_at": [early]})
    append_labels("demo", http, "http", origin="http")
    assert read_labels("demo").set_index("row_key")["label"].to_dict() == {"7": 1, "8": 0}
    assert read_labels("demo", told=True)["row_key"].tolist() == ["7"]
    changes = select_changes("demo", source.assign(label=[0, 1]), moments[2])
    assert changes["row_key"].tolist() == ["8"]


@pytest.mark.parametrize("row", [(None, None, 1, 0, 0), ("p", None, None, 0, 0)], ids=["of nothing", "empty"])
def test_a_label_that_says_nothing_is_refused(row: Row) -> None:
    """A row without a value or an identifier is a DataError that names it, and nothing is stored."""
    with pytest.raises(DataError, match="row 1"):
        append_labels("demo", labels(("p", None, 1, 0, 0), row), "writer")
    assert read_labels("demo").empty
