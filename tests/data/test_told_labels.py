"""Labels that were told find the row of a source that they are of."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from regrow.data.delta import TIME
from regrow.data.labels import append_labels
from regrow.data.predictions import append_predictions
from regrow.data.told_labels import told_targets
from regrow.project import LogSource, Project

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
ROWS = pd.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "who": ["a", "a", "b", "b"],
        "at": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-01-01", "2024-02-01"], utc=True),
        "late": [0, 0, 0, 0],
    }
)
DATA = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late"}
Make = Callable[..., Project]


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Use a state folder of the test's own."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))


def tell(made: Project, **columns: list[Any]) -> None:
    """Append labels of *columns*, the last known last."""
    frame = pd.DataFrame(columns)
    known = pd.date_range("2024-02-10", periods=len(frame), tz="UTC")
    append_labels(made.name, frame.assign(labelled_at=known), str(columns), origin="http")


def found(made: Project) -> list[Any]:
    """Return what was told of each of `ROWS`, None without a label."""
    told = told_targets(made, ROWS, AS_OF)
    return told.where(told.notna(), None).tolist()


def test_an_id_is_the_row(project: Make) -> None:
    """With `data.id` a label names it, as `row_key` or `entity_id`; of several the one known last counts."""
    made = project(ROWS, data=DATA | {"id": "id", "timestamp": "at"})
    tell(made, row_key=["2", "9", None, "2"], entity_id=[None, None, "3", None], label=[1, 1, 1, 2])
    assert found(made) == [None, 2.0, 1.0, None]


@pytest.mark.parametrize("names", [{}, {"id": "id"}])
def test_an_entity_and_its_moment_are_the_row(project: Make, names: dict[str, str]) -> None:
    """A label of one month is never that of another month, and one of another moment is of no row."""
    made = project(ROWS, data=DATA | {"entity": "who", "timestamp": "at"} | names)
    times = pd.to_datetime(["2024-02-01", "2024-01-02", None], utc=True)
    tell(made, entity_id=["a", "b", "b"], event_time=list(times), label=["yes", "no", "no"])
    assert found(made) == [None, "yes", None, None]


@pytest.mark.parametrize("names", [{}, {"id": "id"}])
def test_a_prediction_leads_to_its_row(project: Make, names: dict[str, str]) -> None:
    """The label of a prediction is that of the row that was predicted, and counts for more than one of its key."""
    made = project(ROWS, data=DATA | {"entity": "who", "timestamp": "at"} | names)
    moment = ROWS["at"][1].value // 1000
    logged = {
        "prediction_id": pa.array(["p"]),
        "entity_id": pa.array(["a"]),
        "row_key": pa.array(["2" if names else f"a@{moment}"]),
        "event_time": pa.array([ROWS["at"][1]], TIME),
        "served_at": pa.array([ROWS["at"][1]], TIME),
        "model": pa.array([made.name]),
        "version": pa.array([1]),
        "prediction": pa.array([[0.5, 0.5]], pa.list_(pa.float64())),
    }
    append_predictions(made.name, pa.table(logged), "w")
    tell(made, prediction_id=["p", None], row_key=[None, "2" if names else f"a@{moment}"], label=[5, 6])
    assert found(made) == [None, 5.0, None, None]


def test_rows_that_nothing_names_have_no_label_of_their_own(project: Make) -> None:
    """A label cannot mean a row that is known by its content alone: the source's target stands."""
    made = project(ROWS, data=DATA | {"timestamp": "at"})
    tell(made, row_key=["2"], label=[1])
    assert found(made) == [None] * 4


def test_rows_of_the_log_have_their_labels(project: Make) -> None:
    """A source that is the prediction log comes with what was told: nothing is put over it."""
    made = project(data=DATA | {"id": "id"})
    tell(made, row_key=["1"], label=[1])
    assert found(made) == [1, None, None, None]
    logged = made.model_copy(update={"data": made.data.model_copy(update={"source": LogSource(kind="log")})})
    assert found(logged) == [None] * 4
