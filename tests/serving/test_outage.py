"""The registry, the store, or room on the disk goes away under load and comes back."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlparse

import httpx
import pytest
from deltalake import DeltaTable
from small_disk import fill, small_disk

from regrow.data.predictions import read_predictions
from regrow.data.stores import MARK

CLIENTS, PAUSE = 4, 0.02
PASSWORD = "of the store"  # noqa: S105 (made here)
ROW = {"carrier": "AA", "distance": 900.0, "hour": 17}


class Store:
    """MLflow's server over the store of the tests, which can be stopped and started on its port."""

    def __init__(self, uri, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {**os.environ, "MLFLOW_BACKEND_STORE_URI": uri, "REGROW_HOME": str(folder)}
        (folder / "password").write_text(PASSWORD)
        self._environment |= {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_ENABLE_AI_GATEWAY": "false",
        }
        self._folder = folder
        self._process = None

    def start(self):
        """Start the server and wait until it answers."""
        command = [sys.executable, "-m", "regrow.services.mlflow_server", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--artifacts", (self._folder / "artifacts").as_uri()]
        with (self._folder / "mlflow.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        until(lambda: answers(f"{self.url}/health"))

    def stop(self):
        """Kill the server and the processes that it started."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None


@pytest.fixture
def store(registry, tmp_path):
    """Run MLflow's server for one test; the champion is put back at its end."""
    running = Store(registry.uri, tmp_path)
    running.start()
    yield running
    running.stop()
    registry.promote(1)


def answers(url):
    """Return whether *url* answers with a success."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def until(condition, seconds=120):
    """Wait until *condition* holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def health_of_all(server):
    """Return the health of each worker."""
    own = httpx.get(f"{server.url}/health", timeout=30).json()
    return [own, *own["workers"]["others"]]


def champions(server):
    """Return the champion of each worker."""
    workers = httpx.get(f"{server.url}/version", timeout=30).json()["workers"]
    return [worker["models"].get("demo", {}).get("champion") for worker in workers]


def ask_on(url, stop, answers, failures):
    """Ask until told to stop; keep the answers, and what failed."""
    with httpx.Client(timeout=30) as client:
        while not stop.wait(PAUSE):
            try:
                response = client.post(f"{url}/invocations", json={"dataframe_records": [ROW]})
            except httpx.TransportError as error:
                failures.append(repr(error))
                return
            if response.status_code == 200:
                answers.append(response.json())
            else:
                failures.append(response.text)


@contextmanager
def asked(url):
    """Ask the server at *url* meanwhile; yield the answers so far, and what failed."""
    stop, answers, failures = threading.Event(), [], []
    clients = [threading.Thread(target=ask_on, args=(url, stop, answers, failures)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield answers, failures
    finally:
        stop.set()
        for client in clients:
            client.join()


def is_cut_off(worker):
    """Return whether *worker* reports that it does not reach the registry, and that not all is well."""
    return not worker["registry"]["reachable"] and worker["status"] == "degraded"


@pytest.mark.long
def test_the_registry_may_be_away_under_load(registry, store, start, tmp_path, size):
    """Without MLflow two workers go on, say so, and once it is back follow the move that was made meanwhile."""
    seconds = size(5, 300)
    remote = {"MLFLOW_TRACKING_URI": store.url, "MLFLOW_REGISTRY_URI": store.url}
    remote |= {"MLFLOW_TRACKING_USERNAME": "regrow", "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    server = start(tmp_path, "--model", "demo", "--workers", "2", **remote)
    until(lambda: champions(server) == [1, 1])
    with asked(server.url) as (answers, failures):
        store.stop()
        # What a worker tells of the other is up to a quarter of a second old: one look that holds for both.
        until(lambda: all(is_cut_off(worker) for worker in health_of_all(server)))
        registry.promote(2)
        time.sleep(seconds)
        assert champions(server) == [1, 1]
        before = len(answers)
        store.start()
        until(lambda: champions(server) == [2, 2])
        until(lambda: {worker["status"] for worker in health_of_all(server)} == {"ok"})
    assert failures == []
    assert before > 10 * seconds
    seen = [answer["version"] for answer in answers]
    assert set(seen[:before]) == {1}
    assert seen[-1] == 2
    assert server.stop() == 0


def stored_in(registry):
    """Return the folder of the champion's files."""
    version = registry.client.get_model_version_by_alias("demo", "champion")
    model = registry.client.get_logged_model(str(version.source).removeprefix("models:/"))
    return Path(unquote(urlparse(model.artifact_location).path))


def journal_of(server):
    """Return what the health of *server* says of its journal."""
    return httpx.get(f"{server.url}/health", timeout=30).json()["journal"]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_store_may_be_away_under_load(registry, start, tmp_path, size, monkeypatch):
    """Without its tables and the model's files the server goes on and says so; each answer is logged once.

    It is killed and started again while the tables are away: what it had answered is in its journal.
    """
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    tables, model = tmp_path / "tables", stored_in(registry)
    places = {tables: tmp_path / "tables elsewhere", model: model.with_name(f"{model.name} elsewhere")}
    acknowledged = []

    def load(server, seconds, then):
        with asked(server.url) as (answers, failures):
            time.sleep(seconds)
            until(then)
        assert failures == []
        acknowledged.extend(key for answer in answers for key in answer["prediction_ids"])

    def says_away():
        return str(tables) in (journal_of(server)["error"] or "")

    server = start(tmp_path, "--model", "demo")
    load(server, 2, lambda: [*tables.glob("predictions/demo/_delta_log/*.json")])
    try:
        for place, elsewhere in places.items():
            place.rename(elsewhere)
        load(server, size(3, 30), says_away)
        assert not (tables / MARK).exists(), "nothing takes the place of what is away"
        places[model].rename(model)
        server.stop(9)
        server = start(tmp_path, "--model", "demo")
        load(server, 3, says_away)
    finally:
        if tables.exists():  # An append was on its way when the folder went: its rows are in the journal too.
            tables.rename(tmp_path / "on its way")
        for place, elsewhere in places.items():
            if elsewhere.exists():
                elsewhere.rename(place)
    load(server, 1, lambda: journal_of(server)["error"] is None)
    until(lambda: journal_of(server)["bytes"] == 0)
    until(lambda: len(read_predictions("demo").rows) >= len(acknowledged))
    assert server.stop() == 0
    assert Counter(read_predictions("demo").rows["prediction_id"]) == Counter(acknowledged)


@pytest.fixture
def disk(tmp_path):
    """Mount a file system of 24 MB."""
    with small_disk(tmp_path / "disk", 24) as folder:
        yield folder


@pytest.mark.long
def test_a_full_disk_loses_no_answer_and_the_server_goes_on(registry, start, disk):
    """While the disk is full requests are answered and logged, or refused as 503; with room again all are answered.

    Each prediction that was answered is in the log afterwards, once.
    """
    home = disk / "home"
    server = start(home, "--model", "demo")
    answered, refused = [], set()
    with httpx.Client(timeout=30) as client:

        def ask(count):
            for _ in range(count):
                response = client.post(f"{server.url}/invocations", json={"dataframe_records": [ROW] * 20})
                if response.status_code == 200:
                    answered.extend(response.json()["prediction_ids"])
                else:
                    refused.add(response.status_code)

        ask(5)
        filler = fill(disk)
        ask(100)
        assert refused == {503}
        assert httpx.get(f"{server.url}/ping", timeout=30).is_success
        filler.unlink()
        before = len(answered)
        until(lambda: ask(1) or len(answered) > before)
        refused.clear()
        ask(20)
        assert refused == set()
    assert server.stop() == 0
    logged = DeltaTable(str(home / "tables" / "predictions" / "demo")).to_pyarrow_table(
        columns=["prediction_id"]
    )
    assert sorted(logged.column("prediction_id").to_pylist()) == sorted(answered)
