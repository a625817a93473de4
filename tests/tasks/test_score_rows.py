"""The rows of a period in batch: each predicted as the server does, and logged once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import yaml
from mlflow.models import infer_signature
from model_facts import make_facts

from regrow.base.errors import DataError
from regrow.data import columnar, csv_files
from regrow.data.batch_log import BatchLog
from regrow.data.predictions import append_predictions, read_predictions
from regrow.data.rows import name_as_before
from regrow.data.snapshots import write_snapshot
from regrow.data.sources import read_source
from regrow.decisions.hold_back import is_held_back
from regrow.models.batches import logged_rows, read_batch
from regrow.models.contract import Contract, write_signature
from regrow.models.decoding import decode
from regrow.models.fitting import fit_pipeline, kind_of
from regrow.models.frames import infer_columns
from regrow.models.stored import LoadedModel
from regrow.project import Project, Training, load_project
from regrow.registry import Version
from tasks.score_rows import UNTIL, next_period, score_period

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
    facts = make_facts(*classes, project="m", kind=kind, id="customer", timestamp="at")
    return LoadedModel("m-1", pipeline, write_signature(columns, outputs), facts)


def version(number: int = 1) -> Version:
    """Make a version of which only the number matters."""
    return Version.model_construct(number=number)


def shape_predictions(
    project: Project, model: LoadedModel, version: Version, frame: pd.DataFrame, as_of: datetime
) -> pa.Table:
    """Predict *frame* and shape it as a chunk is logged."""
    batch = read_batch(project.name, version.number, project.data, model, frame, untyped=True)
    return logged_rows(batch, model.predict_read(batch.features), model, as_of)


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
    for place, begin in enumerate(months * 2):
        scored = score_period(project, model, 1, begin, begin + timedelta(days=1), AS_OF)
        assert (scored.rows, scored.new) == (150, 150 if place < 4 else 0)
    logged = read_predictions("m").rows
    assert len(logged) == 600
    assert logged["prediction_id"].is_unique


@pytest.mark.parametrize("timestamp", ["at", None])
def test_rows_that_version_0_1_logged_are_known(home: Path, timestamp: str | None) -> None:
    """A log of version 0.1, whose ids left the event time out, gets the rows that it lacks and no other."""
    project = make_project(home, as_csv(), timestamp=timestamp)
    frame = read_source(project)
    model = train(frame)
    table = shape_predictions(project, model, version(), frame, AS_OF).drop_columns(["row_key"])
    former = name_as_before("m", 1, frame, project.data)
    append_predictions("m", table.slice(0, 100).set_column(0, "prediction_id", [former[:100]]), "score")
    assert score_period(project, model, 1, None, None, AS_OF + timedelta(days=90)).new == 500
    assert score_period(project, model, 1, None, None, AS_OF + timedelta(days=180)).new == 0
    assert len(read_predictions("m").rows) == 600


def test_a_former_id_counts_with_its_time_only(home: Path) -> None:
    """A customer of January in a log of version 0.1 does not hide the same customer of February."""
    project = make_project(home, as_csv())
    frame = read_source(project).assign(customer=7)
    model = train(frame)
    january = frame[frame["at"] < "2026-01-02"].reset_index(drop=True)[:1]
    february = january.assign(at=pd.Timestamp("2026-02-01", tz="UTC"))
    former = name_as_before("m", 1, february, project.data)
    old = shape_predictions(project, model, version(), january, AS_OF).drop_columns(["row_key"])
    append_predictions("m", old.set_column(0, "prediction_id", [former]), "score")
    log = BatchLog("m", 1, None, None, dated=True)
    both = pd.concat([january, february], ignore_index=True)
    shaped = shape_predictions(project, model, version(), both, AS_OF)
    ids, times = shaped.column("prediction_id").combine_chunks(), both["at"]
    assert log.missing(ids, times, [*former, *former]).tolist() == [False, True]


CHUNKS = 100


@pytest.fixture
def in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a chunk have a hundred rows."""
    for module in (csv_files, columnar):
        monkeypatch.setattr(module, "CHUNK", CHUNKS)


def with_scoring(home: Path, text: str, scoring: dict[str, Any], **data: Any) -> Project:
    """Make a project with a section `scoring`."""
    project = make_project(home, text, **data)
    content = yaml.safe_load(project.path.read_text()) | {"scoring": scoring}
    project.path.write_text(yaml.safe_dump(content))
    return load_project(project.path)


def delivered(folder: Path) -> pd.DataFrame:
    """Read what stands in the destination at *folder*."""
    return ds.dataset(folder, format="parquet").to_table().to_pandas()


@pytest.mark.parametrize("changes", [{}, {"id": None}, {"id": None, "timestamp": None}])
def test_chunks_are_answered_as_one_frame(home: Path, in_chunks: None, changes: dict[str, Any]) -> None:
    """In chunks of any size a row has the answer, the id and the key that it has among all rows."""
    project = make_project(home, as_csv(), features=["flag", "size", "code"], **changes)
    frame = read_source(project)
    model = train(frame)
    whole = shape_predictions(
        project, model, version(), read_source(project, text=text_columns(model)), AS_OF
    )
    assert score_period(project, model, 1, None, None, AS_OF).new == 600
    logged = read_predictions("m").rows.set_index("prediction_id")
    expected = whole.drop_columns(["features"]).to_pandas().set_index("prediction_id")
    assert logged["row_key"].sort_index().tolist() == expected["row_key"].sort_index().tolist()
    np.testing.assert_array_equal(
        np.vstack(list(logged["prediction"].sort_index())),
        np.vstack(list(expected["prediction"].sort_index())),
    )


@pytest.mark.parametrize("first", ["", "7"])
def test_a_carried_column_has_one_type_in_all_chunks(home: Path, in_chunks: None, first: str) -> None:
    """A carried column that is empty, or digits, in the first chunk and text in a later one is text in each."""
    head, *lines = as_csv(150).splitlines()
    notes = [f"{line},{first if place < 120 else 'late'}" for place, line in enumerate(lines)]
    scoring = {"destination": {"kind": "parquet", "path": "out"}, "columns": ["note"]}
    project = with_scoring(home, "\n".join([f"{head},note", *notes]), scoring)
    model = train(read_source(project))
    assert score_period(project, model, 1, None, None, AS_OF).delivered == 150
    found = delivered(home / "out")
    assert set(found["note"].dropna()) == {first, "late"} - {""}
    assert found["note"].isna().sum() == (0 if first else 120)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(("value", "type_"), [(True, "bool"), (2.5, "double"), ("late", "string")])
def test_a_carried_column_may_be_empty_at_first(
    kind: str, value: Any, type_: str, home: Path, in_chunks: None
) -> None:
    """A carried column without a value in the first chunk, or in the last, has the type of the values between."""
    scoring = {"destination": {"kind": "parquet", "path": "out"}, "columns": ["note"]}
    project = with_scoring(home, as_csv(300), scoring)
    frame = read_source(project)
    if kind == "parquet":
        note = pd.Series([None] * 120 + [value] * 60 + [None] * 120, dtype="object")
        frame.assign(note=note).to_parquet(home / "rows.parquet")
        scoring["source"] = {"kind": "parquet", "path": "rows.parquet"}
    else:
        head, *lines = as_csv(300).splitlines()
        notes = [f"{line},{value if 120 <= place < 180 else ''}" for place, line in enumerate(lines)]
        (home / "notes.csv").write_text("\n".join([f"{head},note", *notes]))
        scoring["source"] = {"kind": "csv", "path": "notes.csv"}
    project = with_scoring(home, as_csv(300), scoring)
    model = train(frame)
    assert score_period(project, model, 1, None, None, AS_OF).delivered == 300
    table = ds.dataset(home / "out", format="parquet").to_table()
    assert str(table.schema.field("note").type) == type_
    assert table.column("note").drop_null().to_pylist() == [value] * 60


def test_a_run_that_was_killed_is_finished_without_doubles(
    home: Path, in_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run dies after some chunks, or between destination and log; its repetition brings both to every row, once."""
    scoring = {"destination": {"kind": "parquet", "path": "out"}, "columns": ["code", "at"]}
    project = with_scoring(home, as_csv(), scoring)
    model = train(read_source(project))
    add, calls = BatchLog.add, []

    def die(self: BatchLog, *given: Any) -> int:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return add(self, *given)

    monkeypatch.setattr(BatchLog, "add", die)
    with pytest.raises(KeyboardInterrupt):
        score_period(project, model, 1, None, None, AS_OF)
    monkeypatch.setattr(BatchLog, "add", add)
    assert (len(delivered(home / "out")), len(read_predictions("m").rows)) == (300, 200)
    scored = score_period(project, model, 1, None, None, AS_OF)
    assert (scored.rows, scored.new, scored.delivered, scored.gone) == (600, 400, 300, 0)
    found = delivered(home / "out")
    assert found["prediction_id"].is_unique
    assert set(found["prediction_id"]) == set(read_predictions("m").rows["prediction_id"])
    assert {"code", "at", "customer", "probability_0", "probability_1"} <= set(found)
    assert (
        found["decision"].tolist() == (found["probability_1"] > found["probability_0"]).astype(int).tolist()
    )
    again = score_period(project, model, 1, None, None, AS_OF)
    assert (again.new, again.delivered) == (0, 0)
    assert score_period(project, model, 2, None, None, AS_OF).delivered == 600


def test_a_destination_of_another_kind_is_left_as_it_is(home: Path, in_chunks: None) -> None:
    """A folder that holds other columns is refused by name, and neither it nor the log gets a row."""
    (home / "out").mkdir()
    pd.DataFrame({"prediction_id": ["x"], "score": [0.5]}).to_parquet(home / "out" / "mine.parquet")
    project = with_scoring(home, as_csv(), {"destination": {"kind": "parquet", "path": "out"}})
    model = train(read_source(project))
    with pytest.raises(
        DataError, match=r"scoring\.destination: it exists with other columns: `row_key` is missing"
    ):
        score_period(project, model, 1, None, None, AS_OF)
    assert len(delivered(home / "out")) == 1
    assert read_predictions("m").rows.empty


def test_equal_rows_without_a_key_are_scored_each_in_any_chunk(home: Path, in_chunks: None) -> None:
    """Rows that nothing tells apart are as many predictions, and the same ones the next time."""
    lines = as_csv(50).splitlines()
    text = "\n".join([lines[0], *lines[1:] * 7])
    project = make_project(home, text, id=None, timestamp=None, features=["flag", "size", "code"])
    model = train(read_source(make_project(home, as_csv())))
    (home / "rows.csv").write_text(text)
    assert score_period(project, model, 1, None, None, AS_OF).new == 350
    assert score_period(project, model, 1, None, None, AS_OF + timedelta(days=1)).new == 0
    assert read_predictions("m").rows["prediction_id"].is_unique


def test_an_id_that_recurs_in_a_later_chunk_is_refused_before_anything_is_written(
    home: Path, in_chunks: None
) -> None:
    """`data.id` is checked over all chunks; no row is logged if it recurs."""
    lines = as_csv().splitlines()
    model = train(read_source(make_project(home, "\n".join(lines))))
    project = make_project(home, "\n".join([*lines, lines[1]]))
    with pytest.raises(DataError, match=r"data\.id: `customer` recurs 1 times"):
        score_period(project, model, 1, None, None, AS_OF)
    assert read_predictions("m").rows.empty


def test_a_source_that_shrinks_is_noticed(home: Path) -> None:
    """Rows that were scored before and are gone are counted; their predictions stay."""
    project = make_project(home, as_csv())
    model = train(read_source(project))
    score_period(project, model, 1, None, None, AS_OF)
    (home / "rows.csv").write_text("\n".join(as_csv().splitlines()[:501]))
    scored = score_period(project, model, 1, None, None, AS_OF)
    assert (scored.rows, scored.new, scored.gone) == (500, 0, 100)


def test_a_source_of_its_own_needs_no_target(home: Path) -> None:
    """`scoring.source` may lack the target, and is read in place of the source of the training."""
    model = train(read_source(make_project(home, as_csv())))
    lines = [line.rpartition(",")[0] for line in as_csv().splitlines()[:11]]
    (home / "new.csv").write_text("\n".join(lines))
    project = with_scoring(home, as_csv(), {"source": {"kind": "csv", "path": "new.csv"}})
    assert score_period(project, model, 1, None, None, AS_OF).new == 10
    project = with_scoring(home, as_csv(), {"columns": ["nowhere"]})
    with pytest.raises(DataError, match=r"scoring\.columns: the data has no column `nowhere`"):
        score_period(project, model, 1, None, None, AS_OF)


def test_what_was_predicted_already_is_not_scored(home: Path) -> None:
    """Rows that come from the prediction log are refused as rows to score, and the key for others is named."""
    made, anything = make_project(home, as_csv(10), source={"kind": "log"}), cast(LoadedModel, None)
    with pytest.raises(DataError, match=r"data.source: .* predicted already; name .* under scoring.source"):
        score_period(made, anything, 1, None, None, AS_OF)


def test_own_code_that_fails_in_a_later_chunk_is_named_and_what_was_scored_stays(
    home: Path, in_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transformer of the team's own that raises ends the run with its words; the next run scores the rest."""
    project = make_project(home, as_csv())
    model = train(read_source(project))
    predict, asked = model.pipeline.predict_proba, list[int]()

    def failing(features: pd.DataFrame) -> np.ndarray:
        asked.append(len(features))
        if len(asked) == 4:
            raise KeyError("hour")
        return predict(features)

    monkeypatch.setattr(model.pipeline, "predict_proba", failing)
    with pytest.raises(
        DataError, match=r"m-1 cannot predict these rows: KeyError: 'hour' \(test_score_rows\.py, line"
    ):
        score_period(project, model, 1, None, None, AS_OF)
    kept = len(read_predictions("m").rows)
    assert 0 < kept < 600
    scored = score_period(project, model, 1, None, None, AS_OF)
    assert (scored.rows, scored.new) == (600, 600 - kept)
    assert not read_predictions("m").rows["prediction_id"].duplicated().any()


def run_after(*ends: str) -> Any:
    """Make a step's record of a model whose earlier runs scored what was new until *ends*."""
    past = [SimpleNamespace(data=SimpleNamespace(tags={UNTIL: f"{end}T00:00:00+00:00"})) for end in ends]
    return SimpleNamespace(client=SimpleNamespace(search_runs=lambda *_, **__: past), experiment_id="1")


@pytest.mark.parametrize(
    ("scoring", "timed", "ends", "start"),
    [
        ({}, True, (), None),
        ({}, True, ("2026-05-01", "2026-05-20", "2026-07-01"), datetime(2026, 5, 20, tzinfo=UTC)),
        ({}, False, ("2026-05-01",), None),
        ({"window": "2d"}, True, ("2026-05-01",), AS_OF - timedelta(days=2)),
    ],
)
def test_the_next_period_begins_where_the_last_run_ended(
    home: Path, scoring: dict[str, Any], timed: bool, ends: tuple[str, ...], start: datetime | None
) -> None:
    """What is new since the newest run before the moment; the file's window; all rows without a time, or at first."""
    project = with_scoring(home, as_csv(), scoring, **({} if timed else {"timestamp": None}))
    assert next_period(project, run_after(*ends), AS_OF) == (start, AS_OF)


@pytest.mark.parametrize("id", ["customer", None])
def test_whom_the_server_holds_back_the_batch_does_too(home: Path, in_chunks: None, id: str | None) -> None:
    """Destination and log mark the same rows: those of whom the server holds back; rows without names each alone."""
    scoring = {"destination": {"kind": "parquet", "path": "out"}}
    project = with_scoring(home, as_csv(), scoring, id=id, features=["flag", "size", "code"])
    model = train(read_source(project))
    holding = replace(model, facts=model.facts.model_copy(update={"hold_back": 0.2}))
    assert score_period(project, holding, 1, None, None, AS_OF).delivered == 600
    sent = delivered(home / "out").set_index("prediction_id")
    logged = read_predictions("m").rows.set_index("prediction_id")
    keys = logged["entity_id"] if id else logged.index
    expected = {name: is_held_back("m", str(key), 0.2) for name, key in zip(logged.index, keys, strict=True)}
    assert logged["held_back"].to_dict() == sent["held_back"].to_dict() == expected
    assert 60 < sum(expected.values()) < 180
