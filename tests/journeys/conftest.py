"""The servers that all journeys share, and that are started again half-way."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pytest
from bucket import make_bucket
from typer.testing import CliRunner

from regrow.base.settings import Settings
from regrow.cli import app
from regrow.services import Services, running

FOLDER, BUCKET = "folder", "bucket"
"""Where the store of a stack is: the parameter of the fixture `stack`."""


@dataclass
class Stack:
    """Running servers, a model server among them, and a folder of project files."""

    configs: Path
    url: str
    """Where the model server answers."""
    start: Callable[[], AbstractContextManager[Services | None]]
    prefect: str | None = None
    """Prefect's API, if deployments run too."""
    entered: ExitStack = field(default_factory=ExitStack)
    restarted: bool = False

    def run(self, *words: object) -> Any:
        """Run a command of `regrow` in this process: its imports take longer than most commands."""
        before = dict(os.environ)
        try:
            return CliRunner().invoke(app, [str(word) for word in words])
        finally:  # A command points its process at the servers.
            os.environ.clear()
            os.environ.update(before)

    def restart_once(self) -> None:
        """Stop everything and start it again, the first time that this is asked for."""
        if not self.restarted:
            self.restarted = True
            self.entered.close()
            self.entered.enter_context(self.start())


@pytest.fixture(scope="module")
def stack(
    size: Callable[[Any, Any], Any],
    request: pytest.FixtureRequest,
    settings_for: Callable[[Path], Settings],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Run all that `regrow up` runs; in `make test` the session's servers, and a model server of its own.

    As `bucket` it keeps its store in one, and runs everything: what the session's servers know is in a folder.
    """
    in_bucket = getattr(request, "param", FOLDER) == BUCKET
    whole = in_bucket or size(False, True)
    if not whole:
        request.getfixturevalue("services")
    with (
        tempfile.TemporaryDirectory(prefix="regrow-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
        ExitStack() as entered,
    ):
        configs = tmp_path_factory.mktemp("configs")
        if in_bucket:
            variables = request.getfixturevalue("object_store")
            for key, value in {**variables, "REGROW_STORE": make_bucket(variables)}.items():
                patch.setenv(key, value)
        settings = settings_for(Path(folder)).model_copy(update={"configs": configs})
        patch.setenv("REGROW_CONFIGS", str(configs))
        patch.setenv("REGROW_CHALLENGER_TIMEOUT", "60")  # A busy machine is no reason to fall back here.
        patch.setenv("OCEANS_URL", f"sqlite:///{configs}/oceans.db")
        # Before the servers start: undone after them, it would leave the next stack the address of this one.
        patch.setenv("REGROW_SERVER_URL", settings.local_server)
        start = partial(_everything, settings) if whole else partial(_model_server, settings)
        started = entered.enter_context(start())
        database = (started or request.getfixturevalue("services")).database
        patch.setenv("AFFAIRS_URL", database.address("psycopg", "postgres"))
        prefect = f"{settings.local_prefect}/api" if whole else None
        yield Stack(configs, settings.local_server, start, prefect, entered)


@contextmanager
def _everything(settings: Settings) -> Iterator[Services]:
    """Run every service, and point this process at them."""
    from prefect.settings import PREFECT_API_AUTH_STRING as AUTH
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY as HEARTBEAT

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with (
        running(settings) as services,
        temporary_settings(
            {
                PREFECT_API_URL: services.prefect_api_url,
                AUTH: services.environment["PREFECT_API_AUTH_STRING"],
                PREFECT_LOGGING_TO_API_ENABLED: False,
                HEARTBEAT: None,
            }
        ),
    ):
        mlflow.set_tracking_uri(services.tracking_uri)
        mlflow.set_registry_uri(services.tracking_uri)
        yield services
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


@contextmanager
def _model_server(settings: Settings) -> Iterator[None]:
    """Run a model server beside the session's servers."""
    command = [sys.executable, "-m", "regrow.serving", "--port", str(settings.server_port)]
    with (settings.home / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 240
        while not _answers(settings.local_server):
            assert process.poll() is None, (settings.home / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield None
    finally:
        process.terminate()
        process.wait(90)


def _answers(url: str) -> bool:
    """Return whether a model server answers at *url*."""
    try:
        return httpx.get(f"{url}/ping", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
