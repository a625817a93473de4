"""Every public table without a server: from its file to a stored model that says the same by every way."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow.sklearn
import numpy as np
import public_tables as tables
import pytest
from journey import ASKED, Journey
from typer.testing import CliRunner

from regrow.base.errors import DataError, InvalidRequest, NoFastPath
from regrow.base.settings import Settings
from regrow.cli import app
from regrow.data.predictions import read_answers
from regrow.data.snapshots import write_snapshot
from regrow.decisions.splitting import part_rows
from regrow.models.decoding import decode
from regrow.models.fast_path.compiling import FastPath
from regrow.models.fast_path.proof import prove
from regrow.models.results import Parts
from regrow.models.stored import LoadedModel, load_model
from regrow.project import load_project
from regrow.services.postgres import start_database, stop_database
from regrow.serving.predict.versions import ServedVersion
from tasks import fit as fitting
from tasks.ingest import read_known
from tasks.score_rows import score_period
from tasks.validate import examine

SLOW = (tables.wide, tables.tumours, tables.affairs, tables.visits, tables.digits, tables.countries)
CASES = [
    pytest.param(make, id=make.__name__, marks=pytest.mark.long if make in SLOW else ())
    for make in tables.ALL
]


@pytest.fixture(scope="module")
def database(
    settings_for: Callable[[Path], Settings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Run the embedded PostgreSQL alone."""
    started = start_database(settings_for(tmp_path_factory.mktemp("database")))
    yield started.address("psycopg", "postgres")
    stop_database(started)


@pytest.fixture
def way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[[Any], Journey]:
    """Return a function that begins a table's journey: its file and its project file, both checked."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REGROW_CONFIGS", str(tmp_path))
    monkeypatch.setenv("OCEANS_URL", f"sqlite:///{tmp_path}/oceans.db")

    def begin(make: Callable[[], tables.PublicTable]) -> Journey:
        if make is tables.affairs:
            monkeypatch.setenv("AFFAIRS_URL", request.getfixturevalue("database"))
        made = Journey(
            make(), tmp_path, lambda *words: CliRunner().invoke(app, [str(word) for word in words]), ""
        )
        made.begin()
        return made

    return begin


def train(way: Journey, folder: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    """Do what the steps of `train` do with the rows, without a run; store the model in *folder* and load it."""

    def save(_: object, __: object, ___: object, stored: dict[str, Any]) -> None:
        mlflow.sklearn.save_model(path=str(folder), **stored)

    nothing = SimpleNamespace(
        **dict.fromkeys(("log_input", "log_params", "log_metrics"), lambda *_, **__: None)
    )
    nothing.client = nothing.experiment_id = nothing.run_id = "none"
    monkeypatch.setattr(fitting, "current", lambda: nothing)
    monkeypatch.setattr(fitting, "find_again", lambda *_: None)
    monkeypatch.setattr(fitting, "log_candidate", save)
    project = load_project(way.file)
    accepted = examine(project, read_known(project, datetime.now(UTC))).accepted.reset_index(drop=True)
    rows = part_rows(accepted, project.data, project.training.seed)
    written = (write_snapshot(accepted.iloc[each], project.data.timestamp) for each in rows)
    known = write_snapshot(accepted, project.data.timestamp)
    parts = Parts(**dict(zip(("training", "holdout"), written, strict=True)), known=known)
    fitting.fit.function(project, parts)
    return load_model(str(folder))


def fast_path(model: LoadedModel) -> FastPath | None:
    """Return the fast path by which the server answers few rows, if the model has one."""
    try:
        return prove(model, model.facts.holdout.read(), alter=False).fast_path
    except NoFastPath:
        return None


@pytest.mark.parametrize("make", CASES)
def test_the_answers_are_the_same_everywhere(
    make: Callable[[], tables.PublicTable],
    way: Callable[[Any], Journey],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request of many rows or one, batch scoring of two periods and the model in process agree to the last bit."""
    gone = way(make)
    model = train(gone, tmp_path / "model", monkeypatch)
    width = () if model.facts.kind == "regression" else (len(model.facts.classes),)
    served = ServedVersion(1, model, model.contract, 0.0, width, fast_path(model))
    project = load_project(gone.file)
    for number in (0, 1):
        gone.write(number + 1)
        rows = gone.table.period(number)
        asked = rows.head(ASKED)
        records = gone.records(asked, model)
        answers = []
        for sent in (records, *([record] for record in records)):
            body = json.dumps({"dataframe_records": sent}).encode()
            answers.extend(served.predict([model.contract.check(decode(body, "", model.features), ASKED)]))
        np.testing.assert_array_equal(answers[: len(asked)], answers[len(asked) :])
        since, until = (moment.to_pydatetime() for moment in gone.table.periods[number : number + 2])
        scored = score_period(project, model, 1, since, until, until)
        assert (scored.rows, scored.new) == (len(rows), len(rows))
        gone.agree(model, asked, np.array(answers[: len(asked)]), gone.logged(number, 1))


@pytest.mark.long
def test_a_gap_in_true_and_false_is_refused_alike(
    way: Callable[[Any], Journey], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If training had none, server and batch refuse it and name column and row, before a row is scored."""
    gone = way(tables.affairs)
    model = train(gone, tmp_path / "model", monkeypatch)
    rows = gone.table.period(0).head(3)
    records = [record | {"has_children": None} for record in gone.records(rows, model)]
    body = json.dumps({"dataframe_records": records}).encode()
    with pytest.raises(InvalidRequest, match="column 'has_children', row 0: null is not true or false"):
        model.contract.check(decode(body, "", model.features), ASKED)
    gaps = gone.table.frame["has_children"].astype("boolean").mask(gone.table.frame["row"] == rows["row"][1])
    gone.table = replace(gone.table, frame=gone.table.frame.assign(has_children=gaps))
    gone.write(1)
    since, until = (moment.to_pydatetime() for moment in gone.table.periods[:2])
    with pytest.raises(DataError, match="column 'has_children', row 1: null is not true or false"):
        score_period(load_project(gone.file), model, 1, since, until, until)
    assert read_answers(gone.table.name).empty
