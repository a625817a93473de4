"""A registry with one small model in two versions, and model servers in processes of their own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import forked
import httpx
import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
from mlflow.models import Model, infer_signature
from model_facts import make_facts
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from regrow.models.stored import TRUSTED_TYPES


@dataclass
class Registry:
    """An MLflow store on SQLite with the model `demo`."""

    uri: str
    client: mlflow.MlflowClient
    frame: pd.DataFrame

    def promote(self, version: int, name: str = "demo") -> None:
        """Make *version* the champion."""
        self.client.set_registered_model_alias(name, "champion", str(version))

    def register(
        self, pipeline: Pipeline, name: str, trusted: list[str] | None = None, **changes: object
    ) -> int:
        """Log *pipeline* as Regrow does, with *changes* of its facts, and register it."""
        facts = make_facts(0, 1, project=name, id="row", timestamp="at", **changes)
        mlflow.set_tracking_uri(self.uri)
        experiment = mlflow.set_experiment("demo").experiment_id
        run = self.client.create_run(experiment)
        info = Model.log(
            artifact_path=None,
            name="model",
            flavor=mlflow.sklearn,
            run_id=run.info.run_id,
            sk_model=pipeline,
            serialization_format="skops",
            skops_trusted_types=sorted(trusted or TRUSTED_TYPES),
            signature=infer_signature(self.frame, np.array([[0.5, 0.5]])),
            pyfunc_predict_fn="predict_proba",
            pip_requirements=["scikit-learn"],
            metadata={"regrow": facts.model_dump(mode="json")},
        )
        if not self.client.search_registered_models(f"name='{name}'"):
            self.client.create_registered_model(name)
        version = self.client.create_model_version(name, f"models:/{info.model_id}", run.info.run_id)
        return int(version.version)


def fit(frame: pd.DataFrame, seed: int) -> Pipeline:
    """Fit a small classifier that differs by *seed*."""
    target = (frame["hour"] > 12) ^ (np.random.default_rng(seed).random(len(frame)) < 0.2)
    encode = ColumnTransformer(
        [("carrier", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["carrier"])],
        remainder="passthrough",
    )
    model = HistGradientBoostingClassifier(max_iter=20, random_state=seed)
    return make_pipeline(encode, model).fit(frame, target.astype(int))


@contextmanager
def pointed_at(uri: str, folder: Path) -> Iterator[None]:
    """Let MLflow in this process use the store at *uri* from *folder*, and put back what it used before.

    MLflow keeps both addresses in the environment too, and the servers that a test starts would use them.
    """
    tracking, registry, here = mlflow.get_tracking_uri(), mlflow.get_registry_uri(), Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            patch.setenv(name, uri)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        os.chdir(folder)
        yield
        os.chdir(here)
        mlflow.set_tracking_uri(tracking)
        mlflow.set_registry_uri(registry)


@pytest.fixture(scope="module", autouse=True)
def at_registry(registry: "Registry", tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the tests of one file use the filled registry, and no other test."""
    with pointed_at(registry.uri, tmp_path_factory.getbasetemp()):
        yield


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Fill a registry with two versions of `demo`; the first is champion."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "carrier": draw.choice(["AA", "UA", "DL"], 500),
            "distance": draw.normal(1000, 300, 500),
            "hour": draw.integers(0, 24, 500),
        }
    )
    with pointed_at(uri, folder):  # MLflow puts a new store's artifacts into the working directory.
        filled = Registry(uri, mlflow.MlflowClient(uri, uri), frame)
        for seed in (1, 2):
            filled.register(fit(frame, seed), "demo")
        filled.promote(1)
    return filled


@dataclass
class Running:
    """A model server in its own process."""

    url: str
    process: "subprocess.Popen[bytes] | forked.Forked"
    home: Path
    log: Path

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send signal *number* and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)


@dataclass
class Starter:
    """Start servers, and stop those that are left at the end."""

    uri: str
    running: list[Running] = field(default_factory=list)

    def __call__(self, home: Path, *arguments: str, ready: bool = True, **environment: str) -> Running:
        """Start a server with its state under *home* and wait until it is ready (or only answers).

        One with several workers is started as `regrow up` does it, for it starts them so; others are forks.
        """
        home.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = home / "server.log"
        stores = {"MLFLOW_TRACKING_URI": self.uri, "MLFLOW_REGISTRY_URI": self.uri}
        given = {**stores, "REGROW_HOME": str(home), **environment}
        words, variables = ["--port", str(port), *arguments], {**os.environ, **given}
        if "--workers" in arguments and "1" not in arguments:
            with log.open("ab") as stream:
                process = subprocess.Popen(
                    [sys.executable, "-m", "regrow.serving", *words],
                    env=variables,
                    stdout=stream,
                    stderr=stream,
                )
        else:
            process = forked.start("regrow.serving.processes", words, variables, log)
        server = Running(f"http://127.0.0.1:{port}", process, home, log)
        self.running.append(server)
        self._wait(server, "/ready" if ready else "/ping")
        return server

    def _wait(self, server: Running, path: str) -> None:
        """Wait until *path* of *server* gives 200, or its process ends."""
        for _ in range(600):
            if server.process.poll() is not None:
                return
            try:
                if httpx.get(server.url + path, timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(server.log.read_text())


@pytest.fixture(scope="session")
def start(registry: Registry) -> Iterator[Callable[..., Running]]:
    """Start model servers, and kill those that are left at the end."""
    starter = Starter(registry.uri)
    yield starter
    for server in starter.running:
        server.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def server(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    """Run one server for the tests that change nothing."""
    return start(tmp_path_factory.mktemp("server"), "--model", "demo", "--model", "coming")


@pytest.fixture(scope="session")
def single(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    """Run one server of the one model that every test has; those of other files may have come since."""
    return start(tmp_path_factory.mktemp("single"), "--model", "demo")
