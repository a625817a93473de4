"""The retrain flow on a real Prefect server and a real MLflow store."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from mlflow.entities.model_registry import ModelVersion
from prefect.exceptions import Pause
from prefect.states import Suspended

import flows.train
from flows.retrain import retrain
from flows.train import train
from regrow import registry
from regrow.base.errors import BatchRejected, RegistryError
from regrow.project import Project

Runner = Callable[..., tuple[int, int]]
KILLED = -9
TRAINED = datetime(2024, 2, 1, tzinfo=UTC)
ASKED = datetime(2024, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize("start", [pytest.param("now", marks=pytest.mark.long), "by schedule"], indirect=True)
def test_runs_now_and_by_schedule(
    services: object, project: Callable[..., Project], recent: pd.DataFrame, start: Callable[..., Any]
) -> None:
    """Without `as_of` the policy counts the labels up to this moment, whoever starts the flow."""
    made = project(recent, retraining={"least_labels": 100})
    train(made.path, datetime.now(UTC) - timedelta(days=20))
    verdict = start(retrain, config=made.path)
    assert verdict.decision in {"promote", "deploy"}, verdict.reason
    assert registry.connect().search_model_versions(f"name = '{made.name}' and version_number > 1")


@pytest.mark.long
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


@pytest.mark.long
def test_train_and_retrain_of_one_model_take_turns(services: object, project: Callable[..., Project]) -> None:
    """Started at once, by a person and by an alarm, one begins when the other has ended."""
    made = project(retraining={"least_labels": 100})
    train(made.path, TRAINED)
    with ThreadPoolExecutor(2) as both:
        started = [
            both.submit(copy_context().run, train, made.path, ASKED),
            both.submit(copy_context().run, retrain, made.path, ASKED, "alarm", "it drifted", force=True),
        ]
        for each in started:
            each.result()
    client = registry.connect()
    experiment = client.get_experiment_by_name(made.name)
    assert experiment is not None
    _, first, second = client.search_runs(
        [experiment.experiment_id], "tags.`regrow.flow` LIKE '%train'", order_by=["start_time"]
    )
    assert first.info.end_time is not None
    assert first.info.end_time <= second.info.start_time


@pytest.mark.long
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


@pytest.mark.long
def test_refused_challengers_end_in_a_question_to_a_person(
    services: object, project: Callable[..., Project]
) -> None:
    """With a breaker of one, a second alarm trains nothing, and says so; who forces it counts anew."""
    gate = {"kind": "beats_champion", "margin": 0.5}
    rules = {"least_labels": 1, "breaker": 1, "alarms": {"of": 2, "least": 1}}
    made = project(retraining=rules, evaluation={"primary": "roc_auc", "gates": [gate]})
    train(made.path, TRAINED)
    first = retrain(made.path, ASKED - timedelta(days=20), "alarm", "it drifted")
    assert "an alarm in 0 of the last 0 windows" in first.reason
    assert retrain(made.path, ASKED - timedelta(days=10), "schedule").decision == "promote"
    declined = retrain(made.path, ASKED, "schedule")
    assert declined.decision == "retrain"
    assert "1 challengers in a row were refused or rolled back (versions 2)" in declined.reason
    forced = retrain(made.path, ASKED, "manual", force=True)
    assert (forced.decision, forced.result) == ("promote", "fail")
    assert len(versions(made)) == 3
    again = retrain(made.path, ASKED + timedelta(days=9), "schedule")
    assert "challengers in a row" not in again.reason


@pytest.mark.long
def test_a_batch_that_is_rejected_trains_nothing(services: object, project: Callable[..., Project]) -> None:
    """The flow fails with what the batch broke, its findings stay with the step, and the champion goes on."""
    rules = [{"expect": "expect_column_max_to_be_between", "arguments": {"column": "size", "max_value": 50}}]
    data = {
        "source": {"kind": "csv", "path": "rows.csv"},
        "target": "late",
        "timestamp": "at",
        "id": "id",
        "unit": "row",
    }
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


def statuses(project: Project) -> list[str]:
    """List what MLflow says of the model's retrainings, oldest first."""
    client = registry.connect()
    experiment = client.get_experiment_by_name(project.name)
    assert experiment is not None
    found = client.search_runs(
        [experiment.experiment_id], "tags.`regrow.flow` = 'retrain'", order_by=["attributes.start_time ASC"]
    )
    return [run.info.status for run in found]


@pytest.mark.long
def test_a_retraining_that_failed_is_repeated(
    services: object, project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed made nothing: the next alarm is not declined by its cooldown, and it spends no budget."""
    made = project(retraining={"least_labels": 100, "cooldown": "7d", "budget": {"runs": 1, "period": "30d"}})
    train(made.path, TRAINED)
    with monkeypatch.context() as broken:
        broken.setattr(flows.train, "fit", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            retrain(made.path, ASKED, "alarm", "it drifted")
    repeated = retrain(made.path, ASKED, "alarm", "it drifted")
    assert repeated.decision != "retrain", repeated.reason
    assert statuses(made) == ["FAILED", "FINISHED"]
    declined = retrain(made.path, ASKED + timedelta(days=10), "alarm", "it drifted")
    assert "1 of 1 retrainings in the last" in declined.reason


@pytest.mark.long
def test_a_retraining_that_was_killed_is_repeated(run: Runner, project: Callable[..., Project]) -> None:
    """A process that died in the middle counts as nothing, before it is swept and after."""
    made = project(retraining={"least_labels": 100, "cooldown": "7d"})
    assert run("train", made, TRAINED.isoformat(), "none")[0] == 0
    for point in ("fit: uploaded, not finished", "register: version made, not returned"):
        assert run("retrain", made, ASKED.isoformat(), point)[0] == KILLED
    assert run("retrain", made, ASKED.isoformat(), "none")[0] == 0
    assert statuses(made) == ["KILLED", "KILLED", "FINISHED"]
    assert len(registry.connect().search_model_versions(f"name = '{made.name}'")) == 2


@pytest.mark.long
def test_a_retraining_that_is_at_work_or_suspended_counts(
    services: object, project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one trains, or waits for a person to resume it, another one is declined.

    The second one runs within the first here, so it must not wait for its turn.
    """
    monkeypatch.setattr("flows.retrain.turn_to_train", lambda *_: nullcontext())
    made = project(retraining={"least_labels": 100, "cooldown": "7d"})
    train(made.path, TRAINED)
    original, reasons = flows.train.fit, []

    def meanwhile(*args: Any) -> Any:
        if not reasons:
            reasons.append("")
            reasons.append(retrain(made.path, ASKED, "alarm", "it drifted").reason)
        return original(*args)

    monkeypatch.setattr(flows.train, "fit", meanwhile)
    assert retrain(made.path, ASKED, "alarm", "it drifted").decision != "retrain"
    assert "cooldown" in reasons[1]

    def suspended(*_: Any) -> Any:
        raise Pause(state=Suspended())

    monkeypatch.setattr(flows.train, "fit", suspended)
    later = ASKED + timedelta(days=20)
    with pytest.raises(Pause):
        retrain(made.path, later, "alarm", "it drifted")
    assert statuses(made)[-1] == "SCHEDULED"
    assert "cooldown" in retrain(made.path, later, "alarm", "it drifted").reason


def test_without_a_champion_there_is_nothing_to_retrain(services: object, project: Callable[..., Project]):
    """A model that was never trained is an error that says what to do."""
    with pytest.raises(RegistryError, match="has no champion; train it first"):
        retrain(project().path, ASKED)
