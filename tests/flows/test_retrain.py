"""The retrain flow on a real Prefect server and a real MLflow store."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from flows.retrain import retrain
from flows.train import train
from regrow.errors import RegistryError
from regrow.project import Project

TRAINED = datetime(2024, 2, 1, tzinfo=UTC)
ASKED = datetime(2024, 3, 2, tzinfo=UTC)


def test_a_second_alarm_within_the_cooldown_is_declined(services: object, project: Callable[..., Project]):
    """The first alarm trains a successor, the next day's is declined with the cooldown as its reason."""
    made = project(retraining={"least_labels": 100, "cooldown": "7d"})
    train(made.path, TRAINED)
    assert retrain(made.path, ASKED, "alarm", "it drifted").decision != "retrain"
    declined = retrain(made.path, ASKED + timedelta(days=1), "alarm", "it drifted")
    assert (declined.decision, declined.passed) == ("retrain", False)
    assert "cooldown 1w" in declined.reason


def test_without_a_champion_there_is_nothing_to_retrain(services: object, project: Callable[..., Project]):
    """A model that was never trained is an error that says what to do."""
    with pytest.raises(RegistryError, match="has no champion; train it first"):
        retrain(project().path, ASKED)
