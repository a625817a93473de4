"""A base of customers who are scored every month, whose labels come after 45 days, and whose world changes in July.

Beside every figure stands a plain computation in pandas that knows nothing of Regrow, to the last row.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.models import infer_signature
from stack import wait

from regrow import registry
from regrow.data.labels import append_labels, read_labels
from regrow.data.predictions import append_predictions, read_answers
from regrow.data.snapshots import write_snapshot
from regrow.data.sources import read_source
from regrow.decisions.labelled import Labelled, label_windows
from regrow.decisions.performance import Holdout, judge_performance
from regrow.models.batches import logged_rows, read_batch
from regrow.models.contract import Contract, write_signature
from regrow.models.decoding import Columns
from regrow.models.fitting import fit_pipeline, kind_of
from regrow.models.frames import infer_columns
from regrow.models.results import ModelFacts
from regrow.models.stored import LoadedModel, load_model
from regrow.project import Project
from regrow.serving.log.lines import new_identifiers
from regrow.serving.predict.jobs import CheckedRequest
from regrow.serving.predict.versions import ServedVersion, TrafficSplit
from tasks import collect_labels as collecting
from tasks.ingest import read_known
from tasks.score_rows import score_period

MONTHS = [datetime(2025, month, 1, tzinfo=UTC) for month in range(1, 13)]
DRIFT_FROM = MONTHS[6]
DELAY = timedelta(days=45)
WINDOW = timedelta(days=31)
LAST = datetime(2026, 3, 1, tzinfo=UTC)
"""A moment at which every label of the year has come."""
WEIGHTS = [0.05, 0.25, 0.5]
ASKED = ["customer", "month", "orders", "plan"]
"""What a client sends of a row."""
ROLLED_OUT = {
    "name": "customers",
    "data": {
        "source": {"kind": "parquet", "path": "customers.parquet"},
        "target": "churned",
        "timestamp": "month",
        "entity": "customer",
        "label_delay": "45d",
    },
    "training": {"estimator": "sklearn.linear_model.LogisticRegression"},
    "evaluation": {"primary": "accuracy", "gates": []},
    "deployment": {
        "timeout": "120s",
        "rollout": {
            "kind": "canary",
            "weights": WEIGHTS,
            "least_rows": 10,
            "limits": {"latency_p50": None, "latency_p99": None},  # A busy machine is no reason to roll back.
        },
    },
}
"""The project file of the model that is served."""


def world(customers: int) -> pd.DataFrame:
    """Draw a row for each customer and month: from July on few orders mean the opposite of what they meant before."""
    random = np.random.default_rng(1)
    frames = []
    for month in MONTHS:
        orders = random.normal(size=customers)
        turned = -1 if month >= DRIFT_FROM else 1
        churned = turned * orders + random.normal(scale=0.4, size=customers) < 0
        names = [f"C{number}" for number in range(customers)]
        plan = random.choice(["basic", "plus"], customers)
        columns = {"customer": names, "month": month, "orders": orders, "plan": plan, "churned": churned * 1}
        frames.append(pd.DataFrame(columns).sample(frac=1, random_state=month.month))
    return pd.concat(frames, ignore_index=True)


@dataclass(frozen=True)
class Churn:
    """The table, the project that reads it, and the model of January to March."""

    table: pd.DataFrame
    project: Project
    model: LoadedModel

    def score(self, month: datetime, version: int = 1) -> int:
        """Score the customers of *month* in batch, as the flow does; return how many rows were new."""
        return score_period(self.project, self.model, version, month, month + timedelta(days=1), month).new

    def watch(self, as_of: datetime, version: int = 1) -> list[Labelled]:
        """Collect the labels that have come by *as_of* and judge the windows, as `monitor` does."""
        collect = getattr(collecting.collect_labels, "function", collecting.collect_labels)
        collect(self.project, as_of - WINDOW, as_of)
        return label_windows(self.project, version, self.model.facts, WINDOW, as_of)

    def expected(self, start: datetime, end: datetime, as_of: datetime) -> pd.DataFrame:
        """Compute in plain pandas what a window must hold: the rows of its months whose label has come."""
        rows = self.table[(self.table["month"] >= start) & (self.table["month"] < end)]
        rows = rows[rows["month"] + DELAY <= as_of]
        features = rows[["orders", "plan"]]
        probability = self.model.pipeline.predict_proba(features)[:, 1] if len(rows) else 0.0
        return rows.assign(probability=probability)


@pytest.fixture
def churn(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: Callable[[float, float], Any],
    project: Callable[..., Project],
) -> Churn:
    """Write the table as Parquet and fit the first model to January to March, as `train` does at the end of May."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(collecting, "current", lambda: SimpleNamespace(log_metrics=lambda _: None))
    table = world(size(500, 5_000))
    table.to_parquet(tmp_path / "customers.parquet")
    made = project(
        data={
            "source": {"kind": "parquet", "path": "customers.parquet"},
            "target": "churned",
            "timestamp": "month",
            "entity": "customer",
            "label_delay": "45d",
        },
        monitoring={"window": "31d"},
        training={"estimator": "sklearn.linear_model.LogisticRegression", "window": "180d"},
    )
    frame = read_known(made, datetime(2025, 5, 17, tzinfo=UTC))
    features = frame[["orders", "plan"]]
    columns = infer_columns(features)
    pipeline, _ = fit_pipeline(made.training, Contract(columns).read(features), frame["churned"])
    kind, classes = kind_of(pipeline)
    facts = ModelFacts(
        project=made.name, kind=kind, classes=classes, id=None, timestamp="month", entity="customer",
        training=write_snapshot(frame, "month"), holdout=write_snapshot(frame, "month"),
    )  # fmt: skip
    outputs = infer_signature(model_output=pipeline.predict_proba(features)).outputs
    return Churn(table, made, LoadedModel("m-1", pipeline, write_signature(columns, outputs), facts))


def test_every_row_is_scored_once(churn: Churn) -> None:
    """Each customer is a row each month, in whatever order the months are scored, and the same again adds nothing."""
    customers = churn.table["customer"].nunique()
    for month in [*MONTHS[6:], *MONTHS[:6]]:
        assert churn.score(month) == customers
        assert churn.score(month) == 0
    logged = read_answers(churn.project.name)
    assert len(logged) == 12 * customers
    assert logged["prediction_id"].is_unique
    assert logged["row_key"].is_unique
    both = logged.merge(churn.table, left_on=["entity_id", "event_time"], right_on=["customer", "month"])
    assert len(both) == len(logged)
    expected = churn.model.pipeline.predict_proba(both[["orders", "plan"]])
    np.testing.assert_array_equal(np.vstack(both["prediction"].to_list()), expected)


def test_each_month_is_judged_by_its_own_labels(churn: Churn) -> None:
    """Every window, watched month by month, holds the rows and figures of the plain computation, to the last row."""
    for month in MONTHS:
        churn.score(month)
    judged: dict[datetime, float] = {}
    for as_of in [*MONTHS[6:], datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), LAST]:
        *_, window = churn.watch(as_of)
        assert window.end == as_of - DELAY
        expected = churn.expected(window.start, window.end, as_of)
        seen = expected["month"] < datetime(
            2025, 4, 2, tzinfo=UTC
        )  # What the model was trained on is left out.
        assert window.trained == seen.sum()
        expected = expected[~seen]
        rows = window.rows.merge(
            expected, left_on=["entity_id", "event_time"], right_on=["customer", "month"], validate="1:1"
        )
        assert len(rows) == len(window.rows) == len(expected)
        assert (rows["target"] == rows["churned"]).all()
        assert (window.unlabelled, window.unfit, window.ambiguous) == (0, 0, 0)
        if len(expected):
            right = ((expected["probability"] > 0.5) == expected["churned"]).mean()
            assert window.figure("accuracy", churn.model.facts) == right
            judged[expected["month"].iloc[0].to_pydatetime()] = right
    assert set(judged) == set(MONTHS[4:])
    assert min(judged[month] for month in MONTHS[4:6]) > 0.8
    assert max(judged[month] for month in MONTHS[6:]) < 0.2


def test_drift_is_seen_as_soon_as_its_labels_have_come(churn: Churn) -> None:
    """In the month of the change performance still passes; 45 days after it the first wrong month fails it."""
    for month in MONTHS:
        churn.score(month)
    facts, rule = (
        churn.model.facts,
        churn.project.monitoring.performance.model_copy(update={"least_rows": 100}),
    )
    results = {}
    for as_of in (datetime(2025, 8, 1, tzinfo=UTC), datetime(2025, 8, 17, tzinfo=UTC)):
        *_, window = churn.watch(as_of)
        holdout = Holdout("accuracy", 0.87, len(churn.table), facts.classes)
        results[as_of.day] = judge_performance(window.target, window.prediction, holdout, rule).result
    assert results == {1: "pass", 17: "fail"}


def test_labels_over_http_are_waited_for(churn: Churn) -> None:
    """Without a delay in the file the months whose labels have come are judged, and again when the last have come."""
    for month in MONTHS:
        churn.score(month)
    data = churn.project.data.model_copy(update={"label_delay": timedelta(0)})
    made = churn.project.model_copy(update={"data": data})
    random = np.random.default_rng(0)
    lags = pd.to_timedelta(random.uniform(20, 45, len(churn.table)), unit="D")
    told = churn.table.assign(labelled_at=churn.table["month"] + lags)
    names = {"customer": "entity_id", "month": "event_time", "churned": "label"}
    append_labels(made.name, told.rename(columns=names)[[*names.values(), "labelled_at"]], "http")
    as_of = datetime(2025, 10, 15, tzinfo=UTC)
    past = label_windows(made, 1, churn.model.facts, WINDOW, as_of)
    window = past[-1]
    assert window.end == MONTHS[9], "October has no label yet"
    september = told[(told["month"] == datetime(2025, 9, 1, tzinfo=UTC)) & (told["labelled_at"] <= as_of)]
    assert len(window.rows) == len(september) > 0.9 * churn.table["customer"].nunique()
    assert window.unlabelled == churn.table["customer"].nunique() - len(september)
    later = label_windows(made, 1, churn.model.facts, WINDOW, as_of + WINDOW)
    assert len(later[-2].rows) == churn.table["customer"].nunique(), "the window is computed again"


def test_the_next_training_has_the_rows_whose_labels_had_come(churn: Churn) -> None:
    """The training window as of a moment holds the plain computation's rows: those of 180 days with a known label."""
    as_of = datetime(2025, 11, 20, tzinfo=UTC)
    found = read_known(churn.project, as_of)
    table = churn.table
    expected = table[(table["month"] >= as_of - timedelta(days=180)) & (table["month"] + DELAY < as_of)]
    keys = ["month", "customer"]
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True)[list(table)],
        expected.sort_values(keys, ignore_index=True),
        check_dtype=False,
    )


def test_a_canary_keeps_a_customer_on_one_version(churn: Churn) -> None:
    """Month after month a customer meets the same version at one weight, and never leaves the challenger at a higher.

    Decided where the server decides it, on the rows of a request, in requests of any size and order.
    """
    served = [ServedVersion(number, churn.model, churn.model.contract, 0.0, (2,)) for number in (1, 2)]
    weights = dict(zip(MONTHS, np.repeat(WEIGHTS, 4), strict=True))
    met = []
    for month, part in requests(churn.table):
        split = TrafficSplit(
            served[0],
            move=1,
            rollout="v2-a",
            stage=1,
            weight=weights[month],
            contender=2,
            challenger=served[1],
        )
        told = part[ASKED].assign(month=month.isoformat())
        given = Columns({name: told[name].tolist() for name in told}, len(told))
        request = CheckedRequest(
            split, churn.model.contract.check(given, len(told)), 0.0, new_identifiers(len(told))
        )
        challenged = np.isin(np.arange(len(part)), request.challenged_rows())
        met.append(part.assign(challenged=challenged, weight=weights[month]))
    check_canary(pd.concat(met))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_served_canary_keeps_a_customer_on_one_version(
    stack: Any, size: Callable[[float, float], Any]
) -> None:
    """The same of a model server that follows a rollout, which `regrow rollout` takes a stage further each four months.

    Each answer is to the last bit what the version says that is named with it, and the log names it too.
    """
    table = world(size(500, 5_000))
    table.to_parquet(stack.configs / "customers.parquet")
    file = stack.configs / "customers.yaml"
    file.write_text(yaml.safe_dump(ROLLED_OUT))
    for as_of in ("2025-05-17", "2025-06-17"):
        command(stack, "train", file, "--as-of", as_of)
    models = {
        number: load_model(f"models:/{registry.version('customers', number).model_id}") for number in (1, 2)
    }
    met, url = [], f"{stack.url}/models/customers/invocations"
    for month, part in requests(table):
        if month in MONTHS[4::4] and month != met[-1]["month"].iloc[0]:
            assert command(stack, "rollout", file)["verdict"]["outcome"] == "advance"
        state = registry.state("customers")
        wait(lambda state=state: moves_followed(stack) == {state.move}, 120)
        records = part[ASKED].assign(month=month.isoformat()).to_dict("records")
        answer = httpx.post(url, json={"dataframe_records": records}, timeout=60).raise_for_status().json()
        weight, version = state.rollout.current.weight, answer.get("versions", answer["version"])
        told = part.assign(weight=weight, version=version, prediction_id=answer["prediction_ids"])
        met.append(told.assign(prediction=answer["predictions"]))
    rows = pd.concat(met, ignore_index=True)
    assert sorted(rows["weight"].unique()) == WEIGHTS
    check_canary(rows.assign(challenged=rows["version"] == 2))
    for number, own in rows.groupby("version"):
        said = models[number].predict(own[models[number].features])
        np.testing.assert_array_equal(np.vstack(own["prediction"].to_list()), said)
    wait(lambda: len(read_answers("customers")) == len(rows), 120)
    logged = read_answers("customers").merge(rows, on="prediction_id", validate="1:1")
    assert len(logged) == len(rows)
    assert (logged["version_x"] == logged["version_y"]).all()
    assert (logged["entity_id"] == logged["customer"]).all()
    assert command(stack, "rollout", file)["verdict"]["outcome"] == "advance"
    assert registry.state("customers").champion == 2


def command(stack: Any, *words: object) -> Any:
    """Run a command, which must succeed; return what it tells programs."""
    done = stack.run(*words, "--json")
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    return json.loads(done.stdout)


def moves_followed(stack: Any) -> set[int | None]:
    """Return the moves of `customers` that the workers of the model server follow."""
    workers = httpx.get(f"{stack.url}/version", timeout=30).json()["workers"]
    return {worker["models"].get("customers", {}).get("move") for worker in workers}


def requests(table: pd.DataFrame) -> Iterator[tuple[datetime, pd.DataFrame]]:
    """Yield the rows of each month in requests, which grow from month to month."""
    for month, rows in table.groupby("month"):
        for _, part in rows.groupby(np.arange(len(rows)) // (1 + month.month * 7)):
            yield month.to_pydatetime(), part


def check_canary(met: pd.DataFrame) -> None:
    """Check whom each customer *met* in four months at each weight: always the same, and nobody goes back."""
    table = met.groupby(["customer", "weight"])["challenged"].agg(["nunique", "first", "size"])
    assert (table["size"] == 4).all()
    assert (table["nunique"] == 1).all(), "one version for four months"
    by_weight = table["first"].unstack("weight")
    assert (by_weight.astype(int).diff(axis=1).iloc[:, 1:] >= 0).all(axis=None), "nobody goes back"
    for weight, share in by_weight.mean().items():
        assert share == pytest.approx(weight, abs=4 * np.sqrt(weight * (1 - weight) / len(by_weight)))


def test_a_log_of_0_2_is_judged_as_well(churn: Churn) -> None:
    """Months that version 0.2 logged without row keys, under `id: customer`, are joined to their own labels."""
    for month in MONTHS[4:8]:
        frame = read_source(churn.project, month, month + timedelta(days=1))
        batch = read_batch(churn.project.name, 1, churn.project.data, churn.model, frame, untyped=False)
        shaped = logged_rows(batch, churn.model.predict_read(batch.features), churn.model, month)
        append_predictions(churn.project.name, shaped.drop_columns(["row_key"]), f"score-{month.month}")
        assert churn.score(month) == 0, "nothing is scored again"
    *_, window = churn.watch(datetime(2025, 8, 1, tzinfo=UTC))
    expected = churn.expected(window.start, window.end, datetime(2025, 8, 1, tzinfo=UTC))
    rows = window.rows.merge(expected, left_on="entity_id", right_on="customer", validate="1:1")
    assert len(rows) == len(expected) == churn.table["customer"].nunique()
    assert (rows["target"] == rows["churned"]).all()
    assert read_labels(churn.project.name)["row_key"].is_unique
