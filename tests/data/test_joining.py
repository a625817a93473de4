"""Which label belongs to which row."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from regrow.data.delta import TIME, append
from regrow.data.joining import join_labels, read_labels_of
from regrow.data.labels import LABELS, append_labels, labels_path, read_labels
from regrow.data.predictions import append_predictions, read_predictions
from regrow.project import Data

JANUARY = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(1, "D")


def data(**changes: Any) -> Data:
    """Make the section `data` of a file whose customers recur."""
    content = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "timestamp": "at"}
    return Data.model_validate(content | {"entity": "customer"} | changes)


def log(*rows: tuple[str, str | None, str, float]) -> pd.DataFrame:
    """Log *rows* of prediction_id, row_key, entity_id and the day of the event, and read them back."""
    ids, keys, entities, days = zip(*rows, strict=True)
    times = pa.array([JANUARY + day * DAY for day in days], TIME)
    table = {
        "prediction_id": list(ids),
        "row_key": pa.array(keys, pa.string()),
        "entity_id": list(entities),
        "event_time": times,
        "served_at": times,
        "model": ["m"] * len(rows),
        "version": pa.array([1] * len(rows), pa.int64()),
        "prediction": pa.array([[0.5, 0.5]] * len(rows), pa.list_(pa.float64())),
    }
    if not any(keys):
        del table["row_key"]
    append_predictions("m", pa.table(table), "log")
    return read_predictions("m").rows


def tell(**columns: list[Any]) -> pd.DataFrame:
    """Keep labels whose times are days, and read them back."""
    frame = pd.DataFrame(columns)
    for name in {"labelled_at", "event_time"} & set(frame):
        frame[name] = JANUARY + pd.to_timedelta(frame[name], unit="D")
    append_labels("m", frame, "tell")
    return read_labels("m")


def joined(rows: pd.DataFrame, labels: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    """Return the label of each prediction that has one."""
    found = join_labels("m", rows, labels, data(**changes)).rows
    return dict(zip(found["prediction_id"], found["label"], strict=True))


def key(entity: str, day: int) -> str:
    """Return the key of a row that no id names."""
    return f"{entity}@{(JANUARY + day * DAY).value // 1000}"


MONTHS = (("a", key("c", 0), "c", 0), ("b", key("c", 31), "c", 31), ("x", key("d", 31), "d", 31))


@pytest.mark.parametrize("known", [True, False], ids=["of 0.3", "of 0.2"])
def test_each_month_has_its_own_label(known: bool) -> None:
    """Labels of a recurring entity join by key, and in a log from before keys by entity and time, never across."""
    rows = log(*[row if known else (row[0], None, *row[2:]) for row in MONTHS])
    labels = tell(
        row_key=[key("c", 0), key("c", 31)], entity_id=["c", "c"], event_time=[0, 31],
        label=[0, 1], labelled_at=[45, 76],
    )  # fmt: skip
    assert joined(rows, labels) == {"a": 0, "b": 1}


def test_a_label_of_entity_and_time_belongs_to_the_row_of_that_moment() -> None:
    """Without a tolerance another moment is another row; a truth that was known before the event is none of it."""
    rows = log(*MONTHS)
    labels = tell(
        entity_id=["c", "c", "d"], event_time=[0, 30, 31], label=[1, 2, 3], labelled_at=[45, 75, 30]
    )
    assert joined(rows, labels) == {"a": 1}


def test_within_the_tolerance_the_nearest_row_before_is_meant() -> None:
    """A label belongs to the newest row up to its moment, whichever rows are asked for, and to none after it."""
    rows = log(*MONTHS)
    labels = tell(entity_id=["c", "c", "d"], event_time=[40, 20, 30], label=[1, 2, 3], labelled_at=[50] * 3)
    within = {"label_tolerance": timedelta(days=25)}
    assert joined(rows, labels, **within) == {"a": 2, "b": 1}
    only_january = rows[rows["prediction_id"] == "a"]
    assert joined(only_january, labels, label_tolerance=timedelta(days=60)) == {"a": 2}
    assert joined(rows, labels, label_tolerance=timedelta(days=9)) == {"b": 1}


def test_the_exact_moment_comes_before_a_near_one() -> None:
    """Of two labels of one row the one of its very moment counts, however late the other became known."""
    rows = log(*MONTHS)
    labels = tell(entity_id=["c", "c"], event_time=[31, 33], label=[1, 2], labelled_at=[50, 60])
    assert joined(rows, labels, label_tolerance=timedelta(days=5)) == {"b": 1}


def test_an_entity_alone_names_its_only_row() -> None:
    """A label by entity alone is that of its one row, or of the row whose label was due then; else it is counted."""
    rows = log(*MONTHS, ("y", key("e", 0), "e", 0), ("z", key("e", 1), "e", 1))
    labels = tell(entity_id=["d", "c", "c", "e"], label=[1, 2, 3, 4], labelled_at=[40, 45, 76, 46.5])
    found = join_labels("m", rows, labels, data(label_delay=timedelta(days=45)))
    assert dict(zip(found.rows["prediction_id"], found.rows["label"], strict=True)) == {
        "x": 1,
        "a": 2,
        "b": 3,
    }
    assert found.ambiguous == 1
    january = rows[rows["prediction_id"] == "a"]
    assert joined(january, labels) == {}


def test_an_id_names_the_row_whatever_the_moment() -> None:
    """If a unique id names rows, a label by it, under either name, is its row's, in logs of any version."""
    unique: dict[str, Any] = {"entity": None, "id": "n"}
    rows = log(("a", None, "n1", 0), ("b", "n2", "n2", 1), ("c", "n3", "n3", 2))
    labels = tell(
        row_key=["n1", None, None], entity_id=[None, "n2", "n9"], label=[1, 2, 3], labelled_at=[3, 4, 5]
    )
    assert joined(rows, labels, **unique) == {"a": 1, "b": 2}


def test_the_last_truth_of_a_row_counts() -> None:
    """Of a label by key and one by entity and time, the one known last; a prediction's own comes before both."""
    rows = log(*MONTHS)
    labels = tell(
        prediction_id=[None, None, None, None, "x"],
        row_key=[key("c", 0), None, None, key("c", 31), None],
        entity_id=[None, "c", "c", None, None],
        event_time=[np.nan, 0, 31, np.nan, np.nan],
        label=[1, 2, 3, 4, 5],
        labelled_at=[45, 46, 76, 77, 40],
    )
    assert joined(rows, labels) == {"a": 2, "b": 4, "x": 5}


def test_a_row_that_was_asked_without_its_id_is_known_by_entity_and_time() -> None:
    """A source's label, which has both names, finds the row that a request named by entity and time alone."""
    rows = log(("a", "n1", "c", 0), ("b", None, "c", 31), ("t", "n9", "c", 31))
    labels = tell(
        row_key=["n1", "n2"], entity_id=["c", "c"], event_time=[0, 31], label=[1, 2], labelled_at=[45, 76]
    )
    assert joined(rows, labels, id="n") == {"a": 1, "b": 2}


def test_a_shadow_has_the_label_of_its_row() -> None:
    """A prediction's label is its own, its shadow's too; other rows of the id have the id's; the rest have none."""
    rows = pd.DataFrame(
        {
            "prediction_id": ["p0", "s0", "p1", "p2", "p3"],
            "row_key": None,
            "entity_id": ["e", "e", "e", "f", None],
            "event_time": JANUARY,
            "shadow_of": [None, "p0", None, None, None],
        },
        index=[9, 8, 7, 6, 5],
    )
    labels = tell(prediction_id=["p0", None], entity_id=[None, "e"], label=[0, 1], labelled_at=[0, 0])
    found = join_labels("m", rows, labels, data(entity=None, id="n")).rows
    assert dict(zip(found["prediction_id"], found["label"], strict=True)) == {"p0": 0, "s0": 0, "p1": 1}
    assert list(found.index) == [9, 8, 7]
    assert found["own"].tolist() == [True, True, False]
    assert join_labels("m", rows, read_labels("other"), data()).rows.empty


TOLD = st.lists(st.tuples(st.sampled_from("cd"), st.integers(0, 40), st.integers(0, 9)), max_size=8)
SERVED = st.lists(st.tuples(st.sampled_from("cd"), st.integers(0, 40)), min_size=1, max_size=8, unique=True)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(served=SERVED, told=TOLD, tolerance=st.integers(0, 15), choose=st.data())
def test_the_join_is_that_of_a_plain_loop(
    served: list[tuple[str, int]],
    told: list[tuple[str, int, int]],
    tolerance: int,
    choose: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """For any rows and labels, and any part of the rows, each label lies with the newest row up to its moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGROW_HOME", str(tmp_path_factory.mktemp("home")))
        rows = log(*[(f"{name}{day}", key(name, day), name, day) for name, day in served])
        entities, days, late = zip(*told, strict=True) if told else ((), (), ())
        known = [day + days_late for day, days_late in zip(days, late, strict=True)]
        if told:
            labels = tell(
                entity_id=list(entities), event_time=list(days), labelled_at=known, label=[*range(len(told))]
            )
        else:
            labels = read_labels("m")
        expected: dict[str, tuple[bool, int, int]] = {}
        for label, (name, day, days_late) in enumerate(told):
            before = [at for who, at in served if who == name and 0 <= day - at <= tolerance]
            if before:
                row = f"{name}{max(before)}"
                rank = (day == max(before), day + days_late, label)
                last = [one for one in enumerate(told) if one[1][:2] == (name, day)]
                if label == max(last, key=lambda one: (one[1][2], one[0]))[0]:
                    expected[row] = max(expected.get(row, rank), rank)
        part = choose.draw(st.lists(st.sampled_from(list(rows.index)), min_size=1, unique=True))
        found = joined(rows.loc[part], labels, label_tolerance=timedelta(days=tolerance))
        wanted = set(rows.loc[part, "prediction_id"])
        assert found == {row: rank[2] for row, rank in expected.items() if row in wanted}


NAMED = st.tuples(
    st.sampled_from(["by prediction", "by key", "by key and event", "by event", "by entity"]),
    st.sampled_from("cd"),
    st.integers(0, 20),
    st.integers(-3, 25),
    st.sampled_from(["http", "labels", "target"]),
)
"""What a label is named by, of which entity and day of an event, the day when it was known, and its origin."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(  # The label by key alone takes the place of the source's, which knows the row by its event too.
    served=[("c", 1)],
    keyed=set(),
    told=[("by key and event", "c", 1, 5, "target"), ("by key", "c", 1, 6, "http")],
    changes={"id": "n"},
    chosen={0},
)
@given(
    served=SERVED,
    keyed=st.sets(st.integers(0, 7)),
    told=st.lists(NAMED, max_size=12),
    changes=st.sampled_from(
        [
            {},
            {"label_tolerance": timedelta(days=4)},
            {"label_delay": timedelta(days=2), "label_tolerance": timedelta(days=1)},
            {"id": "n"},
            {"entity": None, "id": "n"},
        ]
    ),
    chosen=st.sets(st.integers(0, 7), min_size=1),
)
def test_the_labels_that_are_read_of_rows_are_all_that_they_need(
    served: list[tuple[str, int]],
    keyed: set[int],
    told: list[tuple[str, str, int, int, str]],
    changes: dict[str, Any],
    chosen: set[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Joined with the labels that are read of them, rows have those that they have of all labels, however one is named.

    Also if it was known before its event, long after it, or was told twice and under two names.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGROW_HOME", str(tmp_path_factory.mktemp("home")))
        made = data(**changes)
        alone = made.entity is None  # Then the entity is the row.
        rows = log(
            *[
                (
                    f"{name}{day}",
                    f"k{name}{day}" if place in keyed else None,
                    f"{name}{day}" if alone else name,
                    day,
                )
                for place, (name, day) in enumerate(served)
            ]
        )
        for number, (named, name, day, known, origin) in enumerate(told):
            entity = f"{name}{day}" if alone else name
            label = pd.DataFrame(
                {
                    "prediction_id": [f"{name}{day}" if named == "by prediction" else None],
                    "row_key": [f"k{name}{day}" if named in {"by key", "by key and event"} else None],
                    "entity_id": [None if named in {"by prediction", "by key"} else entity],
                    "event_time": [JANUARY + day * DAY if "event" in named else pd.NaT],
                    "label": [number],
                    "labelled_at": [JANUARY + known * DAY],
                }
            )
            append_labels("m", label, "tell", number + 1, origin)
        part = rows[rows.index.isin({place % len(rows) for place in chosen})]
        as_of = (JANUARY + 15 * DAY).to_pydatetime()
        of_rows = join_labels("m", part, read_labels_of("m", part, made, as_of), made)
        of_all = join_labels("m", part, read_labels("m", as_of), made)
        pd.testing.assert_frame_equal(of_rows.rows, of_all.rows, check_dtype=False)
        assert of_rows.ambiguous == of_all.ambiguous


def test_labels_of_other_rows_are_not_read() -> None:
    """Of a month's rows come that month's labels: not those of other rows, nor of another month of its customers."""
    rows = log(*MONTHS)
    tell(
        prediction_id=["a", "x", None, None, None], row_key=[None, None, key("c", 0), key("c", 31), None],
        entity_id=[None, None, "c", "c", "c"], event_time=[np.nan, np.nan, 0, 31, 0],
        label=[0, 1, 2, 3, 4], labelled_at=[45, 76, 45, 76, 45],
    )  # fmt: skip
    january = rows[rows["prediction_id"] == "a"]
    found = read_labels_of("m", january, data(), (JANUARY + 90 * DAY).to_pydatetime())
    assert sorted(found["label"]) == [0, 2, 4]


def test_labels_of_an_old_table_are_read_of_their_rows() -> None:
    """Rows from before labels had a row key and an event time are found by their entity, beside newer ones."""
    rows = log(*MONTHS)
    old = pa.schema([field for field in LABELS if field.name not in {"row_key", "event_time", "origin"}])
    told = {"entity_id": "d", "label": 1.0, "labelled_at": JANUARY + 40 * DAY}
    append(labels_path("m"), pa.Table.from_pylist([told], old), "before", 1)
    as_of = (JANUARY + 90 * DAY).to_pydatetime()
    for _ in range(2):  # The columns are there once a newer label is.
        found = join_labels("m", rows, read_labels_of("m", rows, data(), as_of), data()).rows
        assert found["prediction_id"].tolist() == ["x"]
        tell(row_key=["k"], entity_id=["e"], event_time=[31], label=[2], labelled_at=[45])
