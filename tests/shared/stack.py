"""`regrow up` in a process of its own, and what tests ask of it."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
from prefect_http import signed_in

from regrow.base.settings import Settings

SERVERS = (
    "PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI",
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "REGROW_SERVER_URL",
)  # fmt: skip
"""What the environment of the tests says of servers of their own."""
REGROW = str(Path(sys.executable).with_name("regrow"))


class Stack:
    """A `regrow up` in a process of its own."""

    def __init__(self, settings: Settings, *parts: str) -> None:
        """Start it, or only its *parts*; `answers` says when it is ready."""
        self.settings = settings
        self.environment = {
            **{key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
            "REGROW_HOME": str(settings.home),
            "REGROW_CONFIGS": str(settings.configs),
            "REGROW_PREFECT_PORT": str(settings.prefect_port),
            "REGROW_MLFLOW_PORT": str(settings.mlflow_port),
            "REGROW_SERVER_PORT": str(settings.server_port),
        }
        for name in SERVERS:
            self.environment.pop(name, None)
        self.log = settings.home.with_suffix(".log")
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                [REGROW, "up", *parts], env=self.environment, stdout=stream, stderr=stream
            )

    def answers(self) -> bool:
        """Return whether all services run; fail if `regrow up` has ended."""
        assert self.process.poll() is None, self.log.read_text()
        return "`regrow down`, stops them" in self.log.read_text()

    def children(self) -> list[psutil.Process]:
        """Return every process that the state folder names as its own."""
        home = str(self.settings.home)
        return [each for each in psutil.process_iter() if home in environment(each).get("REGROW_HOME", "")]

    def prefect(self, path: str, content: object) -> list[dict[str, Any]]:
        """Ask the started Prefect server."""
        auth = f"regrow:{self.settings.password_file.read_text().strip()}"
        with signed_in(f"{self.settings.local_prefect}/api", auth) as client:
            answer = client.post(path, json=content).raise_for_status()
        return answer.json() if answer.content else []

    def regrow(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command against the started servers."""
        return subprocess.run(
            [REGROW, *words], env=self.environment, capture_output=True, text=True, check=False
        )

    def run(self, *words: str) -> str:
        """Run a command that ends well; return what it says."""
        done = self.regrow(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, name: str, count: int, at: Sequence[datetime] = ()) -> list[Any]:
        """Return what the model *name* answers to *count* rows, of February 2024 or *at* moments, once it is ready."""
        url = self.settings.local_server
        wait(lambda: httpx.get(f"{url}/ready", timeout=10).is_success, 120)
        rows = [
            {"id": f"s{i}", "at": moment.isoformat(), "size": i / 50, "colour": "red"}
            for i, moment in enumerate(
                at or [datetime(2024, 2, i % 27 + 1, tzinfo=UTC) for i in range(count)]
            )
        ]
        path = f"{url}/models/{name}/invocations"
        answer = httpx.post(path, json={"dataframe_records": rows}, timeout=60)
        assert answer.is_success, answer.text
        return answer.json()["predictions"]

    def journal(self) -> dict[str, Any]:
        """Return what the health of the model server says of its journal."""
        return httpx.get(f"{self.settings.local_server}/health", timeout=30).json()["journal"]

    def mlflow(self, path: str, content: dict[str, object] | None = None, **asked: str) -> dict[str, Any]:
        """Ask the started MLflow server: with *content* what is posted, else what is *asked*."""
        url = f"{self.settings.local_mlflow}/api/2.0/mlflow/{path}"
        auth = ("regrow", self.settings.password_file.read_text().strip())
        method = "GET" if content is None else "POST"
        answer = httpx.request(method, url, params=asked, json=content, auth=auth, timeout=30)
        return answer.raise_for_status().json()

    def champion(self, name: str) -> int:
        """Return the version that MLflow calls the champion."""
        answer = self.mlflow("registered-models/alias", name=name, alias="champion")
        return int(answer["model_version"]["version"])

    def runs(self, name: str) -> list[tuple[str, str]]:
        """Return the key and the status of each MLflow run of the model *name*."""
        found = self.mlflow("experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"]
        runs = self.mlflow("runs/search", {"experiment_ids": [found], "max_results": 1000})["runs"]
        keys = [{tag["key"]: tag["value"] for tag in run["data"]["tags"]}["regrow.key"] for run in runs]
        return list(zip(keys, (run["info"]["status"] for run in runs), strict=True))

    def end(self) -> None:
        """Leave nothing behind, whatever the test found."""
        if self.process.poll() is None:
            self.regrow("down")
            self.process.kill()
        self.process.wait()


@contextmanager
def up(settings: Settings, *parts: str) -> Iterator[Stack]:
    """Run `regrow up`, or only its *parts*, until the end of the block; it answers when this yields."""
    stack = Stack(settings, *parts)
    try:
        wait(stack.answers, 240)
        yield stack
    finally:
        stack.end()


@contextmanager
def under_way(stack: Stack, *words: str) -> Iterator[None]:
    """Run the command of *words* meanwhile, once its flow has begun; if it ends badly, run it again."""
    known = {run["id"] for run in stack.prefect("flow_runs/filter", {})}

    def has_begun() -> bool:
        begun = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
        return any(run["id"] not in known for run in stack.prefect("flow_runs/filter", begun))

    process = subprocess.Popen([REGROW, *words], env=stack.environment)
    try:
        wait(has_begun, 240)
        yield
        process.wait(300)
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        stack.run(*words)


def environment(process: psutil.Process) -> dict[str, str]:
    """Read what *process* was started with; nothing if it is gone."""
    try:
        return process.environ()
    except psutil.Error:
        return {}


@contextmanager
def meanwhile(work: Callable[[], None], pause: float) -> Iterator[None]:
    """Do *work* in a thread meanwhile, again and again, *pause* seconds apart."""
    ended = threading.Event()

    def go() -> None:
        while not ended.wait(pause):
            work()

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def wait(until: Callable[[], object], patience: float) -> None:
    """Return once *until* holds; fail after *patience* seconds."""
    deadline = time.monotonic() + patience
    while not until():
        assert time.monotonic() < deadline, f"not within {patience} s"
        time.sleep(0.2)
