"""The step that compares served features with the source's."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from regrow.base.errors import ProjectError
from regrow.data.delta import TIME
from regrow.data.predictions import append_predictions
from regrow.models.contract import Contract
from regrow.models.values import Column
from regrow.project import Project
from regrow.project.monitoring import SkewRule
from tasks import measure_skew as module
from tasks.measure_skew import measure_skew

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
CONTRACT = Contract([Column("size", "long", False), Column("colour", "string", False)])
ENTITY = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "timestamp": "at", "entity": "id"}
Make = Callable[..., Project]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    monkeypatch.setattr(module, "load_model", lambda uri: SimpleNamespace(contract=CONTRACT))


def log(model: str, *rows: tuple[str, int, float, str]) -> None:
    """Log *rows* of entity, day of the event, size and colour, one second after the other."""
    entities, days, sizes, colours = zip(*rows, strict=True)
    first = pd.Timestamp(START)
    table = {
        "prediction_id": [f"p{place}" for place in range(len(rows))],
        "entity_id": list(entities),
        "event_time": pa.array([first + pd.Timedelta(day, "D") for day in days], TIME),
        "served_at": pa.array([first + pd.Timedelta(place, "s") for place in range(len(rows))], TIME),
        "model": [model] * len(rows),
        "version": pa.array([1] * len(rows), pa.int64()),
        "features": pa.array([{"size": s, "colour": c} for s, c in zip(sizes, colours, strict=True)]),
        "prediction": pa.array([[0.5, 0.5]] * len(rows), pa.list_(pa.float64())),
    }
    append_predictions(model, pa.table(table), "log")


def source(*rows: tuple[str, int, int, str]) -> pd.DataFrame:
    """Make a table of *rows* of id, day, size and colour."""
    frame = pd.DataFrame(rows, columns=["id", "at", "size", "colour"])
    return frame.assign(at=pd.Timestamp(START) + pd.to_timedelta(frame["at"], unit="D"), late=0)


def measure(made: Project, **rule: Any) -> Any:
    """Run the body of the step."""
    champion: Any = SimpleNamespace(model_id="m")
    return measure_skew.function(made, champion, SkewRule(**rule), START, END)


def test_rows_are_compared_by_their_key(project: Make, remember: Callable[[ModuleType], Any]) -> None:
    """Each served row meets the source's row of its id, the last prediction of it; others are counted."""
    record = remember(module)
    made = project(source(("7", 0, 1, "red"), ("8", 1, 2, "red"), ("9", 2, 3, "red")))
    log(made.name, ("7", 0, 5.0, "red"), ("7", 0, 1.0, "red"), ("8", 1, 2.0, "blue"), ("x", 3, 9.0, "red"))
    found = measure(made)
    assert (
        found.figures
        == record.metrics
        == {"skew.column.size": 0.0, "skew.column.colour": 0.5, "skew.rows": 2.0}
    )
    assert found.findings[0].passed
    assert "`colour` in 50.0% (2 of 3 served rows are in the source)" in found.findings[0].detail
    assert measure(made, share=0.4).findings[0].failed


def test_each_month_meets_its_own_row(project: Make, remember: Callable[[ModuleType], Any]) -> None:
    """An entity that recurs is compared with its row of the same moment."""
    remember(module)
    made = project(source(("7", 0, 1, "red"), ("7", 9, 2, "red")), data=ENTITY)
    log(made.name, ("7", 0, 1.0, "red"), ("7", 9, 2.0, "red"))
    assert measure(made).figures == {"skew.column.size": 0.0, "skew.column.colour": 0.0, "skew.rows": 2.0}


def test_without_a_row_in_common_nothing_is_judged(
    project: Make, remember: Callable[[ModuleType], Any]
) -> None:
    """Rows that the source does not have give no figure."""
    remember(module)
    made = project(source(("9", 0, 1, "red")))
    log(made.name, ("7", 0, 1.0, "red"))
    found = measure(made, share=0.1)
    assert found.figures == {"skew.rows": 0.0}
    assert found.findings[0].passed


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (ENTITY | {"source": {"kind": "log"}}, "monitoring.skew: data.source is the log"),
        (
            {name: value for name, value in ENTITY.items() if name != "entity"},
            "monitoring.skew needs data.id",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(project: Make, data: dict[str, Any], message: str) -> None:
    """A file whose rows come from the log, or cannot be found again, has no skew check."""
    with pytest.raises(ProjectError, match=message):
        project(data=data, monitoring={"skew": {}})
