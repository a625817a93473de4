"""The retrain flow on a real Prefect server and a real MLflow store."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from mlflow.entities.model_registry import ModelVersion

from flows.retrain import retrain
from flows.train import train
from regrow import registry
from regrow.errors import BatchRejected, RegistryError
from regrow.project import Project

TRAINED = datetime(2024, 2, 1, tzinfo=UTC)
ASKED = datetime(2024, 3, 2, tzinfo=UTC)


def test_a_second_alarm_within_the_cooldown_is_declined(
    services: object, project: Callable[..., Project]
) -> None:
    """The first alarm trains a successor, which takes over; the next day's is declined and changes nothing."""
    made = project(
        retraining={"least_labels": 100, "cooldown": "7d"}, evaluation={"primary": "roc_auc", "gates": []}
    )
    train(made.path, TRAINED)
    first = registry.version(made.name, 1)
    assert retrain(made.path, ASKED, "alarm", "it drifted").passed
    successor = registry.champion(made.name)
    assert successor is not None
    assert (successor.number, successor.tags["regrow.trigger"]) == (2, "alarm")
    assert successor.tags["regrow.as_of"] == ASKED.isoformat()
    assert successor.facts.training.rows > first.facts.training.rows
    assert [(move.kind, move.state.champion) for move in registry.ledger(made.name)] == [
        ("promote", 1),
        ("promote", 2),
    ]
    declined = retrain(made.path, ASKED + timedelta(days=1), "alarm", "it drifted")
    assert (declined.decision, declined.passed) == ("retrain", False)
    assert "cooldown 1w" in declined.reason
    assert [int(found.version) for found in versions(made)] == [1, 2]


def test_a_successor_that_is_not_better_is_refused(services: object, project: Callable[..., Project]) -> None:
    """It is trained and registered, its gates say why it may not take over, and the champion stays."""
    gate = {"kind": "beats_champion", "margin": 0.5}
    made = project(retraining={"least_labels": 100}, evaluation={"primary": "roc_auc", "gates": [gate]})
    train(made.path, TRAINED)
    refused = retrain(made.path, ASKED, "alarm", "it drifted")
    assert (refused.decision, refused.result) == ("promote", "fail")
    assert "of champion 1" in refused.reason
    assert [found.tags["regrow.status"] for found in versions(made)] == ["promoted", "refused"]
    champion = registry.champion(made.name)
    assert champion is not None
    assert champion.number == 1


def test_a_batch_that_is_rejected_trains_nothing(services: object, project: Callable[..., Project]) -> None:
    """The flow fails with what the batch broke, its findings stay with the step, and the champion goes on."""
    rules = [{"expect": "expect_column_max_to_be_between", "arguments": {"column": "size", "max_value": 50}}]
    data = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "timestamp": "at", "id": "id"}
    made = project(data={**data, "expectations": rules}, retraining={"least_labels": 100})
    train(made.path, TRAINED)
    broken = pd.read_csv(made.path.parent / "rows.csv")
    broken.loc[len(broken) - 1, "size"] = 99.0
    broken.to_csv(made.path.parent / "rows.csv", index=False)
    with pytest.raises(
        BatchRejected, match=r"expect_column_max_to_be_between\(size\): broken by observed 99"
    ):
        retrain(made.path, ASKED, "alarm", "it drifted")
    assert [int(found.version) for found in versions(made)] == [1]
    assert len(registry.ledger(made.name)) == 1
    client = registry.connect()
    experiment = client.get_experiment_by_name(made.name)
    assert experiment is not None
    failed = client.search_runs([experiment.experiment_id], "tags.`regrow.step` = 'validate'")[0]
    assert (failed.info.status, failed.data.tags["regrow.verdict"]) == ("FAILED", "fail")
    assert "validation.html" in [found.path for found in client.list_artifacts(failed.info.run_id)]


def versions(project: Project) -> list[ModelVersion]:
    found = registry.connect().search_model_versions(f"name = '{project.name}'")
    return sorted(found, key=lambda version: int(version.version))


def test_without_a_champion_there_is_nothing_to_retrain(services: object, project: Callable[..., Project]):
    """A model that was never trained is an error that says what to do."""
    with pytest.raises(RegistryError, match="has no champion; train it first"):
        retrain(project().path, ASKED)
