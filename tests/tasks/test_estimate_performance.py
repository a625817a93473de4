"""What is expected of a window before its labels come, and what came of the windows before it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from model_facts import make_facts
from scipy.special import expit
from served_rows import START, day, tell

from regrow.base.errors import RegistryError
from regrow.data.delta import TIME
from regrow.data.predictions import append_predictions
from regrow.data.snapshots import write_snapshot
from regrow.decisions.foretold import Forecasts
from regrow.project import Project
from tasks import estimate_performance as module
from tasks.estimate_performance import KEPT, estimate_performance, read_holdout, read_past
from tasks.read_window import find_window

DAYS, A_DAY = 20, 60


def drawn(days: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Draw rows of so many days: a column, its class, and a time."""
    random = np.random.default_rng(seed)
    size = random.normal(shift, 1, days * A_DAY)
    late = (random.random(len(size)) < expit(size)).astype(int)
    moments = [START + timedelta(days=n / A_DAY) for n in range(len(size))]
    return pd.DataFrame({"id": range(len(size)), "at": moments, "size": size, "late": late})


def predict(frame: pd.DataFrame) -> np.ndarray:
    """Return the true chances of the classes of *frame*."""
    positive = expit(frame["size"].to_numpy())
    return np.column_stack([1 - positive, positive])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))


@pytest.fixture
def watched(project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a project, and a champion of it whose holdout is kept."""
    monkeypatch.setattr(module, "load_model", lambda uri: SimpleNamespace(features=["size"], predict=predict))

    def make(**evaluation: Any) -> tuple[Project, Any]:
        source = {"kind": "csv", "path": "rows.csv"}
        made = project(
            data={"source": source, "target": "late", "timestamp": "at", "id": "id", "label_delay": "1d"},
            evaluation={"primary": "brier"} | evaluation,
            monitoring={"performance": {"least_rows": 100}},
        )
        facts = make_facts(0, 1, id="id", timestamp="at", holdout=write_snapshot(drawn(DAYS, 0), "at"))
        champion = SimpleNamespace(number=2, facts=facts, judged_uri="models:/m", metrics={"brier": 0.21})
        monkeypatch.setattr(module, "version", lambda name, number: champion)
        return made, champion

    return make


def serve(project: Project, frame: pd.DataFrame, version: int = 2) -> None:
    """Log a prediction of each row of *frame*."""
    times = pa.array(frame["at"].tolist(), TIME)
    chances = predict(frame).tolist()
    rows = {
        "prediction_id": [f"{version}-{number}" for number in frame["id"]],
        "entity_id": frame["id"].astype(str).tolist(),
        "event_time": times,
        "served_at": times,
        "version": pa.array([version] * len(frame), pa.int64()),
        "features": pa.StructArray.from_arrays([pa.array(frame["size"], pa.float64())], ["size"]),
        "prediction": pa.array(chances, pa.list_(pa.float64())),
    }
    append_predictions(project.name, pa.table(rows), f"serve-{version}")


def test_a_window_is_estimated_kept_and_held_against_its_labels(
    watched: Any, remember: Callable[[ModuleType], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run tells what to expect without a label; a later one tells what came, and looks it up once."""
    made, champion = watched()
    served = drawn(2 * DAYS, 5, shift=1.5)
    serve(made, served)
    serve(made, drawn(DAYS, 6), version=1)
    runs, kept = [], Forecasts()
    for number in (1, 2):
        record = remember(module)
        monkeypatch.setattr(module, "read_past", lambda run, past=kept: past)
        window = find_window(made.name, day((number - 1) * DAYS), day(number * DAYS), 10_000)
        runs.append((estimate_performance.function(made, champion, window, day(number * DAYS)), record))
        kept = Forecasts.read(record.files[KEPT])
        assert record.tags["foretold"] == KEPT
        tell(
            made, entity_id=served["id"].astype(str).tolist(), label=served["late"].tolist(),
            labelled_at=[float(n // A_DAY) + 0.5 for n in range(len(served))],
        )  # fmt: skip
    (first, before), (second, after) = runs
    assert "0 so far" in first.findings[0].detail
    assert first.findings[0].rows == DAYS * A_DAY
    assert "1 so far" in second.findings[0].detail
    rows = served.iloc[: DAYS * A_DAY]
    realised = float(np.mean((predict(rows)[:, 1] - rows["late"]) ** 2))
    assert after.metrics["expected.window.brier.realised"] == pytest.approx(realised)
    assert first.figures["expected.brier.low"] < realised < first.figures["expected.brier.high"]
    assert abs(first.figures["expected.brier"] - realised) < abs(0.21 - realised)
    assert "expected.window.brier" not in before.metrics
    assert [one.realised is None for one in kept.windows] == [False, True]
    monkeypatch.setattr(module, "version", None)
    assert module.look_up(made, kept, window, day(2 * DAYS)) == kept


def test_a_window_without_labels_enough_stays_open(watched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer labels than the file asks for, or a version that is gone, leave what came unknown."""
    made, _ = watched()
    served = drawn(DAYS, 5)
    serve(made, served)
    tell(made, entity_id=["1", "2"], label=[0, 1], labelled_at=[3, 3])
    past = Forecasts.read(
        {"windows": [{"champion": 2, "metric": "brier", "start": day(0), "end": day(9), "figure": 0.2, "low": 0.1,
                      "high": 0.3, "carried": 0.2}]}
    )  # fmt: skip
    window = find_window(made.name, day(10), day(DAYS), 10_000)
    assert module.look_up(made, past, window, day(DAYS)) == past

    def gone(name: str, number: int) -> None:
        raise RegistryError("gone")

    monkeypatch.setattr(module, "version", gone)
    assert module.look_up(made, past, window, day(DAYS)) == past


def test_what_cannot_be_estimated_ends_no_run(
    watched: Any, remember: Callable[[ModuleType], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holdout that is gone, or a metric without a formula, is a remark that says so."""
    made, champion = watched()
    serve(made, drawn(DAYS, 5))
    record = remember(module)
    monkeypatch.setattr(module, "read_past", lambda run: Forecasts())
    window = find_window(made.name, day(0), day(DAYS), 10_000)
    gone = champion.facts.holdout.model_copy(update={"digest": "0" * 64, "uri": "snapshots/gone.parquet"})
    champion.facts = champion.facts.model_copy(update={"holdout": gone})
    found = estimate_performance.function(made, champion, window, day(DAYS))
    assert found.findings[0].noted
    assert "brier cannot be expected before labels" in found.findings[0].detail
    assert "the snapshot is gone" in found.findings[0].detail
    assert Forecasts.read(record.files[KEPT]) == Forecasts()


def test_the_past_is_what_the_last_run_kept(tmp_path: Path) -> None:
    """Of the runs that kept one the newest is read; a torn copy, or none, begins anew."""
    asked = []

    def client(*uris: str) -> Any:
        found = [SimpleNamespace(info=SimpleNamespace(run_id="r", artifact_uri=uri)) for uri in uris]
        search = lambda ids, query, **order: asked.append(query) or found  # noqa: E731
        return SimpleNamespace(experiment_id="1", client=SimpleNamespace(search_runs=search))

    assert read_past(client()) == Forecasts()
    (tmp_path / KEPT).write_text('{"windows": []}')
    assert read_past(client(str(tmp_path))) == Forecasts()
    (tmp_path / KEPT).write_text('{"wind')
    assert read_past(client(str(tmp_path))) == Forecasts()
    assert asked[0] == f"tags.`regrow.foretold` = '{KEPT}'"


def test_the_holdouts_units_are_those_of_the_file(watched: Any) -> None:
    """Days of the holdout are days; rows without a class are left out of it."""
    made, champion = watched()
    rows, truth = read_holdout(made, champion, features=True)
    assert (len(rows), rows.units.count, rows.units.unit) == (DAYS * A_DAY, DAYS, "day")
    assert rows.features is not None
    assert list(rows.features) == ["size"]
    assert set(truth) == {0, 1}
