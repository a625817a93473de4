"""From a prediction back to data, code and approval, on a real MLflow store."""

from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd
import pytest

from flows.rollback import rollback
from flows.score import score
from flows.train import train
from regrow import registry
from regrow.base import provenance
from regrow.base.errors import RegistryError
from regrow.data.labels import append_labels
from regrow.data.predictions import read_predictions
from regrow.lineage.trace import trace
from regrow.project import Project, load_project

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)


def test_a_prediction_leads_to_its_origin(services: object, project: Callable[..., Project]) -> None:
    """Its lines name version, runs, both snapshots with hash and time range, file, lock, and who approved it."""
    made = project()
    train(made.path, AS_OF, "schedule")
    score(made.path, end=datetime(2024, 1, 3, tzinfo=UTC), as_of=AS_OF)
    champion = registry.champion(made.name)
    assert champion is not None
    logged = read_predictions(made.name).rows
    lines = trace(logged["prediction_id"].iloc[0])
    said, texts = dict(lines), [text for _, text in lines]
    facts = champion.facts
    assert said["version"] == f"{made.name} version 1 (promoted)"
    assert logged["entity_id"].iloc[0] in said["  entity"]
    assert champion.run_id in said["training run"]
    assert said["flow run"] == "train as of 2024-03-01T00:00:00+00:00 (schedule)"
    assert {facts.training.digest, facts.holdout.digest} <= set(texts)
    assert said["training data"].startswith(
        f"{facts.training.rows} rows, 2024-01-01T00:00:00+00:00 to 2024-02-"
    )
    assert said["project file"] == f"SHA-256 {made.digest}"
    assert said["lock"] == f"SHA-256 {provenance.lock_digest()}"
    assert said["git commit"] == "none: the project file was not in a git repository"
    assert said["approved by"].startswith("the gates of the project file at ")
    assert said["  in flow run"].endswith("train as of 2024-03-01T00:00:00+00:00 (schedule)")
    assert trace(f"models:/{made.name}/1") == trace(f"models:/{made.name}@champion") == lines[2:]


@pytest.mark.long
def test_a_version_leads_to_the_predictions_that_it_learnt_from(
    services: object, project: Callable[..., Project]
) -> None:
    """A successor that was trained on the log and told labels names predictions of the version before."""
    made = project()
    train(made.path, AS_OF)
    score(made.path, as_of=AS_OF)
    logged = read_predictions(made.name)
    late = logged.features["size"].add(logged.features["colour"].eq("red") / 2) > 0
    told = pd.DataFrame({"prediction_id": logged.rows["prediction_id"], "label": late, "labelled_at": AS_OF})
    append_labels(made.name, told[::2], "http")
    served = made.path.read_text().replace("kind: csv", "kind: log").replace("    path: rows.csv\n", "")
    made.path.write_text(served)
    train(made.path, AS_OF, override="the successor is to serve whatever it shows")
    facts = registry.version(made.name, 2).facts
    lines = trace(f"models:/{made.name}/2")
    learnt = next(text for name, text in lines if name == "  learnt from")
    rows = facts.training.read()
    assert facts.training.rows == len(told[::2])
    assert learnt == (
        f"{len(rows)} logged predictions ({rows['prediction_id'].iloc[0]} …): column prediction_id of "
        f"{facts.training.uri}"
    )
    assert set(rows["prediction_id"]) == set(told["prediction_id"][::2])
    assert facts.classes == (0, 1)
    assert trace(rows["prediction_id"].iloc[0])[2] == ("version", f"{made.name} version 1 (promoted)")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere", "nowhere: no such prediction in the log; give a prediction_id"),
        ("models:/nowhere/1", "nowhere: no version 1"),
        ("models:/nowhere@champion", "no version of nowhere bears the alias champion"),
        ("models:/nowhere", "give models:/NAME/VERSION or models:/NAME@ALIAS"),
    ],
)
def test_what_is_not_known_is_said(services: object, target: str, message: str) -> None:
    """A prediction, version or alias that does not exist is an error that says what to give."""
    with pytest.raises(RegistryError, match=message):
        trace(target)


def approvals(project: Project, number: int) -> list[str]:
    """List who approved or moved version *number*, and the flow that did it."""
    lines = trace(f"models:/{project.name}/{number}")
    return [
        text.partition(" at ")[0] if name != "  in flow run" else text.partition(": ")[2].partition(" ")[0]
        for name, text in lines
        if name in {"approved by", "moved by", "  in flow run"}
    ]


@pytest.mark.long
def test_who_approved_is_told_apart(services: object, project: Callable[..., Project]) -> None:
    """The gates, a person who waived them, a person who ordered a rollback: each is named, not the flow that obeyed."""
    gates = [{"kind": "threshold", "metric": "roc_auc", "at_least": 0.0}]
    made = project(evaluation={"primary": "roc_auc", "gates": gates})
    train(made.path, datetime(2024, 2, 1, tzinfo=UTC))
    strict = [{"kind": "threshold", "metric": "roc_auc", "at_least": 0.9999}]
    made.path.write_text(made.path.read_text().replace("0.0\n", "0.9999\n"))
    assert load_project(made.path).evaluation.gates[0].model_dump()["at_least"] == strict[0]["at_least"]
    train(made.path, AS_OF, override="a drill (asked by ada)")
    rollback(made.path, "complaints")
    registry.roll_back(made.name, "ada at work", "it was the weather", 2)
    assert approvals(made, 1) == [
        "the gates of the project file",
        "train",
        "whoever started the flow run",
        "rollback",
    ]
    waived = "a person, who waived the gates (a drill (asked by ada))"
    assert approvals(made, 2) == [waived, "train", "whoever started the flow run", "rollback", "ada"]
