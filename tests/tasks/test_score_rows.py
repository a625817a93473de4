"""The rows of a period in batch: each predicted as the server does, and logged once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.models import infer_signature

from regrow.data.predictions import append_new_predictions, append_predictions, read_predictions
from regrow.data.rows import name_as_before
from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.data.sources import read_source
from regrow.errors import DataError
from regrow.models.contract import Contract, write_signature
from regrow.models.decoding import decode
from regrow.models.frames import infer_columns
from regrow.models.stored import LoadedModel
from regrow.project import Project, Training, load_project
from regrow.registry import Version
from regrow.results import ModelFacts
from tasks.fit import fit_pipeline, kind_of
from tasks.score_rows import shape_predictions

NOTHING = Snapshot(uri="file:///gone.parquet", digest="0" * 64, rows=0, columns={})
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    return tmp_path


def as_csv(rows: int = 600) -> str:
    """Write rows whose target follows from a boolean with gaps; `code` is text of digits and letters."""
    draw = np.random.default_rng(0)
    flag = draw.choice(["True", "False", ""], rows)
    late = ((flag == "") | (draw.random(rows) < 0.2)).astype(int)
    size, code = draw.normal(size=rows), draw.choice(["007", "a1", "b2"], rows)
    months = [f"2026-0{1 + row % 4}-01" for row in range(rows)]
    lines = zip(range(rows), months, flag, size, code, late, strict=True)
    return "customer,at,flag,size,code,late\n" + "\n".join(",".join(map(str, line)) for line in lines)


def make_project(folder: Path, text: str, **data: Any) -> Project:
    """Make a project of a CSV file that holds *text*."""
    (folder / "rows.csv").write_text(text)
    content = {
        "source": {"kind": "csv", "path": "rows.csv"},
        "target": "late",
        "timestamp": "at",
        "id": "customer",
    }
    content |= data
    file = folder / "m.yaml"
    training = {"estimator": BOOSTING}
    file.write_text(
        yaml.safe_dump(
            {"name": "m", "data": content, "training": training, "evaluation": {"primary": "roc_auc"}}
        )
    )
    return load_project(file)


def train(frame: pd.DataFrame, estimator: str = BOOSTING) -> LoadedModel:
    """Fit a model to a snapshot of *frame* as the flow does."""
    raw = write_snapshot(frame).read()
    columns = infer_columns(raw[["flag", "size", "code"]], untyped=True)
    features = Contract(columns).read(raw)
    pipeline, _ = fit_pipeline(Training(estimator=estimator), features, raw["late"])
    kind, classes = kind_of(pipeline)
    outputs = infer_signature(model_output=pipeline.predict_proba(features)).outputs
    facts = ModelFacts(
        project="m",
        kind=kind,
        classes=classes,
        id="customer",
        timestamp="at",
        training=NOTHING,
        holdout=NOTHING,
    )
    return LoadedModel("m-1", pipeline, write_signature(columns, outputs), facts)


def version(number: int = 1) -> Version:
    """Make a version of which only the number matters."""
    return Version.model_construct(number=number)


def text_columns(model: LoadedModel) -> list[str]:
    return [name for name, kind in model.contract.types.items() if kind in {"string", "boolean"}]


@pytest.mark.parametrize("estimator", [BOOSTING, "sklearn.linear_model.LogisticRegression"])
def test_a_batch_is_answered_as_by_evaluation_and_server(home: Path, estimator: str) -> None:
    """A boolean with gaps, text of digits and numbers give the same bits by snapshot, source and request."""
    project = make_project(home, as_csv())
    model = train(read_source(project), estimator)
    frame = read_source(project, text=text_columns(model))
    table = shape_predictions(project, model, version(), frame, AS_OF)
    scored = np.array(table.column("prediction").to_pylist())

    evaluated = model.predict(write_snapshot(read_source(project)).read())
    np.testing.assert_array_equal(scored, evaluated, strict=True)
    body = frame.drop(columns=["late", "at"]).to_csv(index=False).encode()
    rows = model.contract.check(decode(body, "text/csv", []), 10_000)
    served = model.predict_checked(model.contract.frame([rows]))
    np.testing.assert_array_equal(scored, served, strict=True)
    assert len(np.unique(scored[:, 1])) > 5


def test_a_period_may_look_like_another_type(home: Path) -> None:
    """Text that is empty in a period, or digits alone, is text all the same, with its leading zeros."""
    model = train(read_source(make_project(home, as_csv())))
    lines = ["customer,at,flag,size,code,late", "1,2026-05-01,True,0.5,007,", "2,2026-05-02,,1,007,"]
    for code, expected in (("007", ["007", "007"]), ("", [None, None])):
        project = make_project(home, "\n".join(lines).replace(",007,", f",{code},"))
        frame = read_source(project, text=text_columns(model))
        logged = shape_predictions(project, model, version(), frame, AS_OF).column("features").to_pylist()
        assert [row["code"] for row in logged] == expected
        assert [row["flag"] for row in logged] == [True, None]
        assert [row["size"] for row in logged] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1,2026-05-01,True,wide,a1,", r"column 'size', row 0: 'wide' is not a number \(customer 1\)"),
        ("1,2026-05-01,perhaps,1,a1,", r"column 'flag', row 0: 'perhaps' is not true or false"),
        ("1,2026-05-01,True,inf,a1,", r"column 'size', row 0: inf is no finite number"),
    ],
)
def test_a_bad_value_in_a_batch_is_named(home: Path, line: str, said: str) -> None:
    """A batch that does not fit the model ends in an error that names column, row, value and remedy."""
    model = train(read_source(make_project(home, as_csv())), "sklearn.linear_model.LogisticRegression")
    project = make_project(home, f"customer,at,flag,size,code,late\n{line}\n2,2026-05-02,,1.5,a1,")
    frame = read_source(project, text=text_columns(model))
    with pytest.raises(DataError, match=said):
        shape_predictions(project, model, version(), frame, AS_OF)
    with pytest.raises(DataError, match="column 'code' is missing"):
        shape_predictions(
            project, model, version(), frame.drop(columns="code").assign(size=1.0, flag=None), AS_OF
        )


def test_text_in_several_pieces_is_logged(home: Path) -> None:
    """Rows that were joined from several files are shaped like any other."""
    project = make_project(home, as_csv())
    frame = read_source(project)
    model = train(frame)
    joined = pd.concat([frame, frame], ignore_index=True)
    assert shape_predictions(project, model, version(), joined, AS_OF).num_rows == 1200


def test_the_second_period_is_logged_and_the_same_one_is_not(home: Path) -> None:
    """Monthly scoring goes on in its second month, in any order, and a month that is scored again adds nothing."""
    project = make_project(home, as_csv())
    model = train(read_source(project))
    months = [datetime(2026, month, 1, tzinfo=UTC) for month in (2, 1, 4, 3)]
    for begin in months * 2:
        frame = read_source(project, begin, begin + timedelta(days=1), text_columns(model))
        shaped = shape_predictions(project, model, version(), frame, AS_OF)
        append_new_predictions("m", shaped)
        assert frame["at"].eq(begin).all()
    logged = read_predictions("m").rows
    assert len(logged) == 600
    assert logged["prediction_id"].is_unique


@pytest.mark.parametrize("timestamp", ["at", None])
def test_rows_that_version_0_1_logged_are_known(home: Path, timestamp: str | None) -> None:
    """A log of version 0.1, whose ids left the event time out, gets the rows that it lacks and no other."""
    project = make_project(home, as_csv(), timestamp=timestamp)
    frame = read_source(project)
    model = train(frame)
    table = shape_predictions(project, model, version(), frame, AS_OF)
    former = name_as_before("m", 1, frame, project.data)
    old = table.slice(0, 100).set_column(0, "prediction_id", [former[:100]])
    append_predictions("m", old, "score")
    dated = timestamp is not None
    later = shape_predictions(project, model, version(), frame, AS_OF + timedelta(days=90))
    assert append_new_predictions("m", later, former=former, dated=dated) == 500
    again = shape_predictions(project, model, version(), frame, AS_OF + timedelta(days=180))
    assert append_new_predictions("m", again, former=former, dated=dated) == 0
    assert len(read_predictions("m").rows) == 600


def test_a_former_id_counts_with_its_time_only(home: Path) -> None:
    """A customer of January in a log of version 0.1 does not hide the same customer of February."""
    project = make_project(home, as_csv())
    frame = read_source(project).assign(customer=7)
    model = train(frame)
    january = frame[frame["at"] < "2026-01-02"].reset_index(drop=True)[:1]
    february = january.assign(at=pd.Timestamp("2026-02-01", tz="UTC"))
    former = name_as_before("m", 1, february, project.data)
    old = shape_predictions(project, model, version(), january, AS_OF)
    append_predictions("m", old.set_column(0, "prediction_id", [former]), "score")
    both = pd.concat([january, february], ignore_index=True)
    shaped = shape_predictions(project, model, version(), both, AS_OF)
    assert append_new_predictions("m", shaped, former=[*former, *former]) == 1
