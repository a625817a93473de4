"""Batch scoring on the workers of Dask: the rows of a run without them, to the last bit, whoever dies."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd
import pyarrow.dataset as ds
import pytest
from distributed import LocalCluster
from model_facts import make_facts

from regrow.base import fan_out
from regrow.base.errors import Unreachable
from regrow.data import csv_files
from regrow.data.batch_log import BatchLog
from regrow.data.predictions import read_predictions
from regrow.data.sources import read_source
from regrow.models.fitting import fit_pipeline
from regrow.models.frames import infer_columns
from regrow.models.results import Scored
from regrow.models.stored import LoadedModel, describe_stored, load_model
from regrow.project import Project
from tasks.score_rows import score_period

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
FEATURES = ["size", "colour"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Run a scheduler with two workers."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50
    ) as running:
        yield running


@pytest.fixture
def made(project: Callable[..., Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Make a project of 600 rows that are read in six chunks."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(csv_files, "CHUNK", 100)
    return project(scoring={"destination": {"kind": "parquet", "path": "out"}, "columns": ["colour"]})


def store(project: Project, folder: Path) -> LoadedModel:
    """Fit the model of *project*, and store it in *folder* as a training does."""
    frame = read_source(project)
    features = frame[FEATURES]
    pipeline, _ = fit_pipeline(project.training, features, frame["late"])
    facts = make_facts(0, 1, id="id", timestamp="at")
    folder.mkdir()
    stored = describe_stored(
        project, pipeline, infer_columns(features, untyped=True), features, facts, folder
    )
    mlflow.sklearn.save_model(path=folder / "model", **stored)
    return load_model(str(folder / "model"))


def score(project: Project, model: LoadedModel) -> Scored:
    return score_period(project, model, 1, None, None, AS_OF)


def kept(project: Project) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read what stands in the log and in the destination."""
    folder = project.path.parent / "out"
    delivered = (
        ds.dataset(folder, format="parquet").to_table().to_pandas() if folder.exists() else pd.DataFrame()
    )
    logged = read_predictions(project.name).rows
    return tuple(
        rows.sort_values("prediction_id", ignore_index=True) if len(rows) else rows
        for rows in (logged, delivered)
    )  # fmt: skip


@pytest.mark.long
def test_workers_answer_as_one_process_and_a_lost_scheduler_costs_nothing(
    made: Project, cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers keep the same rows as this process; if the scheduler goes, the repetition does what is missing."""
    model = store(made, tmp_path / "stored")
    assert score(made, model).new == 600
    expected = kept(made)

    (tmp_path / "out").rename(tmp_path / "before")
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "second"))
    monkeypatch.setenv("REGROW_DASK", cluster.scheduler_address)
    scored = score(made, model)
    assert (scored.rows, scored.new, scored.delivered) == (600, 600, 600)
    for found, wanted in zip(kept(made), expected, strict=True):
        pd.testing.assert_frame_equal(found, wanted, check_exact=True)
    again = score(made, model)
    assert (again.rows, again.new, again.delivered, again.gone) == (600, 0, 0, 0)

    (tmp_path / "out").rename(tmp_path / "before too")
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "third"))
    monkeypatch.setattr(fan_out, "CONNECT", 2)
    add, calls = BatchLog.add, []

    def stop_scheduler(self: BatchLog, *given: Any) -> int:
        calls.append(1)
        if len(calls) == 1:
            cluster.close()
        return add(self, *given)

    with monkeypatch.context() as ending:
        ending.setattr(BatchLog, "add", stop_scheduler)
        with pytest.raises(Unreachable, match=r"scheduler at tcp://.* does not answer.*repeat the run"):
            score(made, model)
    first = len(read_predictions(made.name).rows)
    assert 0 < first < 600
    with pytest.raises(Unreachable, match="does not answer"):
        score(made, model)
    monkeypatch.delenv("REGROW_DASK")
    finished = score(made, model)
    assert (finished.rows, finished.new) == (600, 600 - first)
    for found, wanted in zip(kept(made), expected, strict=True):
        pd.testing.assert_frame_equal(found, wanted, check_exact=True)
