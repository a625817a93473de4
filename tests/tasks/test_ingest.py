"""The rows of the training window as they were known at a moment."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from regrow import registry
from regrow.base.errors import DataError
from regrow.data.labels import append_labels
from regrow.project import LogSource, Project
from tasks.ingest import (
    as_before,
    keep_labelled,
    numbers_of_decimals,
    override_target,
    read_known,
    told_rows,
)

AT = pd.date_range("2024-01-01", periods=10, tz="UTC")
FRAME = pd.DataFrame(
    {"id": [f"r{day}" for day in range(10)], "at": AT, "size": range(10), "late": [0, 1] * 5}
)
DATA = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "timestamp": "at", "id": "id"}
Make = Callable[..., Project]


def test_the_window_ends_where_labels_were_unknown(project: Make) -> None:
    """A row is known once its label's delay has passed at as_of, and is not older than the window."""
    training = {"estimator": "sklearn.linear_model.LogisticRegression", "window": "5d"}
    made = project(FRAME, data=DATA | {"label_delay": "2d"}, training=training)
    found = read_known(made, datetime(2024, 1, 8, tzinfo=UTC))
    assert found["id"].tolist() == ["r2", "r3", "r4"]


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=30)])
def test_later_rows_change_nothing_that_was_known(project: Make, later: timedelta) -> None:
    """What was known at a moment is the same when rows of later moments have come."""
    as_of = datetime(2024, 1, 6, tzinfo=UTC)
    known = read_known(project(FRAME, data=DATA), as_of)
    grown = pd.concat([FRAME.assign(at=AT + timedelta(days=9) + later, id=FRAME["id"] + "x"), FRAME])
    pd.testing.assert_frame_equal(read_known(project(grown, data=DATA), as_of), known)
    assert len(known) == 5


def test_without_a_timestamp_every_row_is_known(project: Make) -> None:
    """A source without times gives all its rows at any moment."""
    made = project(FRAME, data={"source": DATA["source"], "target": "late", "features": ["size"]})
    assert len(read_known(made, datetime(1999, 1, 1, tzinfo=UTC))) == 10


def test_an_empty_window_is_an_error(project: Make) -> None:
    """No row in the window says which window that was."""
    made = project(FRAME, data=DATA)
    with pytest.raises(DataError, match=r"no row of .* in the beginning to 2024-01-01 .* check the source"):
        read_known(made, datetime(2024, 1, 1, tzinfo=UTC))


def test_an_id_that_recurs_ends_the_training(project: Make) -> None:
    """A table whose `data.id` is an entity that comes back is refused, and taken once the file says so."""
    recurring = FRAME.assign(id=["a", "b"] * 5)
    with pytest.raises(DataError, match="`id` recurs 7 times: 'a' stands in 5 of 9 rows"):
        read_known(project(recurring, data=DATA), datetime(2024, 1, 10, tzinfo=UTC))
    entity = {name: value for name, value in DATA.items() if name != "id"} | {"entity": "id"}
    assert len(read_known(project(recurring, data=entity), datetime(2024, 1, 10, tzinfo=UTC))) == 9


def test_the_champions_columns_are_read_too(project: Make) -> None:
    """Of the columns that the file does not name those of the champion are read, as far as the source has them."""
    data = DATA | {"features": ["size"]}
    made = project(FRAME.assign(weight=1.0, other=2.0), data=data)
    found = read_known(made, datetime(2024, 1, 8, tzinfo=UTC), ["weight", "gone"])
    assert set(found.columns) == {"id", "at", "size", "late", "weight"}


def test_logged_rows_without_a_label_are_left_out(project: Make) -> None:
    """Of rows of the log those with a label train, and whole numbers are whole again; without one it says so."""
    made = project(FRAME, data=DATA)
    rows = pd.DataFrame({"size": [1.0, 2.0, 3.0], "late": [1.0, None, 0.0]})
    kept = keep_labelled(made, rows, "January")
    assert (kept["size"].tolist(), kept["late"].tolist(), kept["late"].dtype) == ([1.0, 3.0], [1, 0], "int64")
    amounts = rows.assign(late=pd.Series([0.5, None, 1.0]))
    assert keep_labelled(made, amounts, "")["late"].tolist() == [0.5, 1.0]
    texts = rows.assign(late=pd.Series(["yes", None, "no"], dtype="object"))
    assert keep_labelled(made, texts, "")["late"].tolist() == ["yes", "no"]
    with pytest.raises(
        DataError, match="log holds 3 rows in January, and no label of them was known: it awaits labels"
    ):
        keep_labelled(made, rows.assign(late=None), "January")


@pytest.mark.parametrize(
    ("classes", "told", "restored"),
    [((False, True), [1, 0], [True, False]), (("0", "1"), [1, 0], ["1", "0"]), ((0, 1), [1, 2], [1, 2])],
)
def test_labels_come_out_as_the_champions_classes(
    project: Make,
    monkeypatch: pytest.MonkeyPatch,
    classes: tuple[object, ...],
    told: list[int],
    restored: list[object],
) -> None:
    """The label table keeps booleans as numbers; the successor has the classes of the model, and any new one."""
    made, source = project(FRAME, data=DATA), LogSource(kind="log", model="served")
    champion = SimpleNamespace(facts=SimpleNamespace(kind="binary", classes=classes))
    monkeypatch.setattr(registry, "champion_at", lambda name, as_of: champion if name == "served" else None)
    frame = pd.DataFrame({"late": told})
    found = as_before(made, source, frame, AT[0].to_pydatetime())["late"]
    assert found.tolist() == restored
    assert list(map(type, found.tolist())) == list(map(type, restored))
    own = LogSource(kind="log")
    assert as_before(made, own, frame, AT[0].to_pydatetime())["late"].tolist() == told


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Use a state folder of the test's own."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))


@pytest.mark.usefixtures("state")
def test_a_label_that_was_told_corrects_the_sources_target(project: Make) -> None:
    """A label over HTTP is the target of its row, if it was known then; what came from the source itself is none."""
    made, day = project(FRAME, data=DATA), datetime(2024, 1, 8, tzinfo=UTC)
    frame = read_known(made, day)
    http = pd.DataFrame({"row_key": ["r0", "r3", "r5"], "label": [1, 0, 0], "labelled_at": AT[[6, 6, 8]]})
    append_labels(made.name, http, "http", origin="http")
    stale = pd.DataFrame({"row_key": ["r2"], "label": [1], "labelled_at": AT[[6]]})
    append_labels(made.name, stale, "collect", origin="target")
    append_labels(made.name, stale.assign(row_key="r4"), "an older version's")
    corrected, figures = told_rows(made, frame, day)
    assert frame["late"].tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert corrected["late"].tolist() == [1, 1, 0, 0, 0, 1, 0]
    assert corrected["late"].dtype == frame["late"].dtype
    assert figures == {"labels.told": 2, "labels.changed": 2, "labels.unfit": 0}
    tomorrow, _ = told_rows(made, frame, day + timedelta(days=2))
    assert tomorrow["late"].tolist() == [1, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("target", "told", "true"),
    [
        ([0, 1, 0], [None, 0.0, "often"], [0, 0, 0]),
        ([0, 1, 0], [2.0, None, 0.5], [2, 1, 0.5]),
        ([True, False, True], [0.0, 1.0, 2.0], [False, True, True]),
        (["no", "yes", None], ["maybe", 1.0, "yes"], ["maybe", "yes", "yes"]),
        (["0", "1", "1"], [1.0, None, None], ["1", "1", "1"]),
        ([0.5, float("nan"), 2.0], [None, 1.0, None], [0.5, 1.0, 2.0]),
    ],
)
def test_labels_become_values_of_the_target(
    target: list[object], told: list[object], true: list[object]
) -> None:
    """The table holds numbers and text; the target keeps its kind, and a label that can be none changes nothing."""
    given = pd.Series(target)
    found, figures = override_target(given, pd.Series(told, dtype=object))
    assert found.tolist() == true
    assert list(map(type, found.tolist())) == list(map(type, pd.Series(true).tolist()))
    assert figures["labels.told"] == sum(each is not None for each in told)
    changed = sum(one is None or one != other for one, other in zip(target, true, strict=True))
    assert figures["labels.changed"] == changed


@pytest.mark.parametrize(("kind", "told"), [("int8", 300), ("uint8", -1), ("Int8", 300)])
def test_a_label_beyond_the_bits_of_a_target_is_learnt_as_it_was_told(kind: str, told: int) -> None:
    """A label that a small whole-number column cannot hold makes it a column of doubles: no other number is learnt."""
    found, figures = override_target(pd.Series([1, 2], dtype=kind), pd.Series([None, told], dtype=object))
    assert found.tolist() == [1, told]
    assert figures["labels.changed"] == 1


def test_decimals_of_a_target_are_numbers() -> None:
    """Decimals of a database or a Parquet file become doubles, with gaps; anything else is left as it is."""
    frame = pd.DataFrame({"y": [Decimal("1.25"), None, Decimal(2)], "z": ["a", None, "b"]})
    found = numbers_of_decimals(frame, "y")
    assert found["y"].dtype == "float64"
    assert found["y"].dropna().tolist() == [1.25, 2.0]
    assert numbers_of_decimals(frame, "z") is frame
