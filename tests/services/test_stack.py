"""The local servers start together, stop together, and say what is wrong."""

import os
from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import Path

import httpx
import pytest

from regrow.base.errors import StateError
from regrow.base.settings import Settings
from regrow.services import Services, running, stack


def test_the_servers_answer_and_the_environment_points_at_them(services: Services) -> None:
    """Inside `running`, Prefect answers and both libraries' variables name the started servers."""
    assert httpx.get(f"{os.environ['PREFECT_API_URL']}/health").json() is True
    assert os.environ["MLFLOW_TRACKING_URI"] == services.tracking_uri
    assert set(services.addresses()) == {"postgres", "prefect"}


def test_a_second_start_names_the_first(services: Services) -> None:
    """A state folder in use is a `StateError` that names the process."""
    with (
        pytest.raises(StateError, match=rf"pid {os.getpid()}.*regrow down"),
        running(services.settings, {"postgres"}),
    ):
        pass


def test_a_database_that_cannot_start_is_the_error(
    settings_for: Callable[[Path], Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What kept it from starting is told, and not what then could not be stopped."""

    def start(_: object) -> None:
        raise StateError("PostgreSQL cannot start: no room")

    monkeypatch.setattr(stack, "start_database", start)
    with (
        pytest.raises(StateError, match="PostgreSQL cannot start: no room"),
        running(settings_for(tmp_path / "state"), {"postgres"}),
    ):
        pass


@pytest.mark.parametrize(
    "worker", ["prefect.events.worker:EventsWorker", "prefect.logging.handlers:APILogWorker"]
)
def test_prefect_still_sends_what_is_left_when_asked(worker: str) -> None:
    """Both of Prefect's senders, which are not its documented interface, can be drained before its server stops."""
    module, name = worker.split(":")
    signature(getattr(import_module(module), name).drain_all).bind(timeout=1.0, at_exit=False)
