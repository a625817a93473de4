"""A prediction log as a source of training rows."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from regrow.base.errors import DataError
from regrow.data.delta import TIME
from regrow.data.labels import append_labels
from regrow.data.predictions import append_predictions
from regrow.data.sources import feature_columns, fingerprint, read_source
from regrow.project import Project

DAY0 = pd.Timestamp("2024-01-01", tz="UTC")
ENTITY = {"id": None, "entity": "customer"}
Make = Callable[..., Project]


@pytest.fixture
def make(project: Make) -> Make:
    """Write a project that learns from a log; keywords change its section `data`."""

    def changed(log: str | None = None, **changes: Any) -> Project:
        source = {"kind": "log"} if log is None else {"kind": "log", "model": log}
        data = {"source": source, "target": "late", "timestamp": "at", "id": "id"} | changes
        return project(data={name: value for name, value in data.items() if value is not None})

    return changed


def log(model: str, *rows: tuple[str, str | None, int, dict[str, Any]], **columns: list[Any]) -> None:
    """Log *rows* of prediction_id, entity_id, the day of the event, and features; *columns* add others."""
    ids, entities, days, features = zip(*rows, strict=True)
    times = pa.array([DAY0 + pd.Timedelta(day, "D") for day in days], TIME)
    table = {
        "prediction_id": list(ids),
        "entity_id": pa.array(entities, pa.string()),
        "event_time": times,
        "served_at": times,
        "model": [model] * len(rows),
        "version": pa.array([1] * len(rows), pa.int64()),
        "features": pa.array(list(features)),
        "prediction": pa.array([[0.5, 0.5]] * len(rows), pa.list_(pa.float64())),
    }
    append_predictions(model, pa.table(table | columns), f"log/{ids[0]}")


def tell(model: str, labels: list[Any], day: int = 40, **names: list[Any]) -> None:
    """Keep *labels* that became known on *day*."""
    known = DAY0 + pd.Timedelta(day, "D")
    frame = pd.DataFrame(names | {"label": labels}).assign(labelled_at=known)
    append_labels(model, frame, f"tell/{labels}{day}{names}")


def read(made: Project, **changes: Any) -> list[tuple[Any, ...]]:
    """Read the rows of *made*, each as prediction_id, size and label; None for what is missing."""
    frame = read_source(made, **changes)[["prediction_id", "size", "late"]]
    return [
        tuple(None if pd.isna(value) else value for value in row) for row in frame.itertuples(index=False)
    ]


def test_features_come_as_served_with_the_label_that_joined(make: Make) -> None:
    """A row has its logged features, its key and its time under the file's names, and the label as its target."""
    made = make()
    log(
        made.name,
        ("p1", "a", 0, {"size": 1.5, "colour": "red"}),
        ("p2", "b", 1, {"size": 2.0, "colour": None}),
    )
    tell(made.name, [1], prediction_id=["p1"])
    found = read_source(made)
    assert found.columns.tolist() == ["id", "at", "size", "colour", "late", "prediction_id"]
    assert found["id"].tolist() == ["a", "b"]
    assert found["at"].tolist() == [DAY0, DAY0 + pd.Timedelta(1, "D")]
    assert (found["size"].tolist(), found["colour"].isna().tolist()) == ([1.5, 2.0], [False, True])
    assert read(made) == [("p1", 1.5, 1.0), ("p2", 2.0, None)]


def test_the_prediction_is_no_feature(make: Make) -> None:
    """The column that leads back to the log is kept beside the rows, also if only some columns are read."""
    made = make(features=["size"])
    log(made.name, ("p1", "a", 0, {"size": 1.0, "colour": "red"}))
    assert feature_columns(make(), ["size", "late", "id", "at", "prediction_id"]) == ["size"]
    assert set(read_source(made, columns=["size", "late"]).columns) == {"id", "at", "size", "late"}


def test_a_row_counts_once_as_it_was_first_served(make: Make) -> None:
    """A row that two versions scored is there once, with its first features and the label told of either."""
    made = make()
    log(made.name, ("p1", "a", 0, {"size": 1.0}), ("p2", "b", 0, {"size": 5.0}))
    log(made.name, ("p3", "a", 0, {"size": 9.0}), served_at=pa.array([DAY0 + pd.Timedelta(3, "D")], TIME))
    tell(made.name, ["1"], prediction_id=["p3"])
    assert read(made) == [("p1", 1.0, 1.0), ("p2", 5.0, None)]


def test_a_shadow_is_no_row(make: Make) -> None:
    """What the client never saw does not count as a row of its own."""
    made = make()
    log(
        made.name, ("p1", "a", 0, {"size": 1.0}), ("p2", "b", 0, {"size": 2.0}),
        role=["champion", "shadow"], shadow_of=pa.array([None, "p1"], pa.string()),
    )  # fmt: skip
    assert read(made) == [("p1", 1.0, None)]


def test_rows_without_a_name_are_rows_of_their_own(make: Make) -> None:
    """Requests that named no row are one row each, and have the label of their own prediction."""
    made = make(id=None, timestamp=None)
    log(made.name, ("p1", None, 0, {"size": 1.0}), ("p2", None, 0, {"size": 1.0}))
    tell(made.name, [0], prediction_id=["p2"])
    assert read(made) == [("p1", 1.0, None), ("p2", 1.0, 0.0)]


def test_each_month_of_a_customer_has_its_own_label(make: Make) -> None:
    """Rows of one entity are told apart by their time; labels join by entity and event time, and by row key."""
    made = make(**ENTITY)
    log(
        made.name,
        ("p1", "c", 0, {"size": 1.0}),
        ("p2", "c", 31, {"size": 2.0}),
        ("p3", "d", 31, {"size": 3.0}),
    )
    tell(made.name, [1], entity_id=["c"], event_time=[DAY0 + pd.Timedelta(31, "D")])
    tell(made.name, [0], row_key=[f"d@{(DAY0 + pd.Timedelta(31, 'D')).value // 1000}"])
    assert read(made) == [("p1", 1.0, None), ("p2", 2.0, 1.0), ("p3", 3.0, 0.0)]
    assert read_source(made)["customer"].tolist() == ["c", "c", "d"]


def test_what_came_after_the_moment_is_not_seen(make: Make) -> None:
    """A label that became known later, a correction and a later event change nothing of what was known."""
    made = make()
    log(made.name, ("p1", "a", 0, {"size": 1.0}), ("p2", "b", 60, {"size": 2.0}))
    tell(made.name, [0], row_key=["a"], day=40)
    tell(made.name, [1], row_key=["a"], day=50)
    at = [
        datetime(2024, 1, 30, tzinfo=UTC),
        datetime(2024, 2, 12, tzinfo=UTC),
        datetime(2024, 2, 25, tzinfo=UTC),
    ]
    assert [read(made, as_of=moment)[0][2] for moment in at] == [None, 0.0, 1.0]
    assert len(read(made, as_of=at[2])) == 1
    assert read(made, start=datetime(2024, 1, 2, tzinfo=UTC)) == [("p2", 2.0, None)]


def test_the_log_of_another_model(make: Make) -> None:
    """A second project learns from the log and the labels of the model that serves, and from labels of its own."""
    made = make(log="champion")
    log("champion", ("p1", "a", 0, {"size": 1.0}), ("p2", "b", 0, {"size": 2.0}))
    tell("champion", [1], row_key=["a"])
    tell(made.name, [0], row_key=["b"])
    assert read(made) == [("p1", 1.0, 1.0), ("p2", 2.0, 0.0)]


def test_a_type_that_changed(make: Make) -> None:
    """A feature whose type has changed is read as what the period holds, and refused if it holds both."""
    made = make()
    log(made.name, ("p1", "a", 0, {"size": 1.0}))
    log(made.name, ("p2", "b", 9, {"size": "big"}))
    since = datetime(2024, 1, 5, tzinfo=UTC)
    assert read(made, start=since) == [("p2", "big", None)]
    assert read(made, end=since) == [("p1", 1.0, None)]
    assert "size__string" not in read_source(made, start=since)
    with pytest.raises(DataError, match=r"holds `size` as double and string: .* training.window"):
        read_source(made)


def test_a_feature_that_was_added_later(make: Make) -> None:
    """Rows from before a feature are read with a gap in it."""
    made = make(features=["size", "weight"])
    log(made.name, ("p1", "a", 0, {"size": 1.0}))
    log(made.name, ("p2", "b", 9, {"size": 2.0, "weight": 7.0}))
    found = read_source(made)
    assert (found["size"].tolist(), found["weight"].isna().tolist()) == ([1.0, 2.0], [True, False])


def test_what_the_log_does_not_hold_is_named(make: Make) -> None:
    """An empty log says what it awaits, and a feature that was never logged is named with what there is."""
    with pytest.raises(
        DataError, match=r"data.source: the prediction log of .* is empty: it awaits the first"
    ):
        read_source(make())
    made = make(features=["size", "weight"])
    log(made.name, ("p1", "a", 0, {"size": 1.0}))
    with pytest.raises(
        DataError, match=r"never held the feature `weight` \(data.features\[1\]\); it holds size"
    ):
        read_source(made)


def test_new_rows_and_labels_are_a_new_state(make: Make) -> None:
    """What was read can be used again until a prediction or a label has come."""
    made = make()
    states = [fingerprint(made)]
    log(made.name, ("p1", "a", 0, {"size": 1.0}))
    states += [fingerprint(made), fingerprint(made)]
    tell(made.name, [1], row_key=["a"])
    states.append(fingerprint(made))
    assert states[1] == states[2]
    assert len(set(states)) == 3
