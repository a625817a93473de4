"""The server under load, under kill -9 and under a changing registry."""

import signal
import threading
import time

import httpx
import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest

from regrow.data.predictions import find_prediction, read_predictions
from regrow.models.stored import load_model

ROWS = [{"carrier": c, "distance": 900.0 + h, "hour": h} for c, h in (("AA", 3), ("UA", 15), ("DL", 22))]
FLUSHER = "regrow.serving.log.flusher"


class Load:
    """Clients that ask without pause and keep what they got."""

    def __init__(self, url, clients):
        self.responses, self.failures = [], []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(url,)) for _ in range(clients)]

    def _ask(self, url):
        with httpx.Client(timeout=30) as client:
            while not self._stop.is_set():
                try:
                    response = client.post(f"{url}/invocations", json={"dataframe_records": ROWS})
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                    return
                if response.status_code == 200:
                    self.responses.append(response.json())
                else:
                    self.failures.append(response.text)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_no_acknowledged_prediction_is_lost_or_doubled(start, tmp_path, monkeypatch, size):
    """After each kill -9 under load every acknowledged prediction is in the table exactly once."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    acknowledged = []
    for _ in range(size(1, 5)):
        server = start(tmp_path, "--model", "demo")
        with Load(server.url, 4) as load:
            time.sleep(1.8)
            server.stop(signal.SIGKILL)
        acknowledged += [i for response in load.responses for i in response["prediction_ids"]]
    assert start(tmp_path, "--model", "demo").stop() == 0
    logged = read_predictions("demo").rows["prediction_id"]
    assert len(acknowledged) > 100
    assert logged.is_unique
    assert set(acknowledged) <= set(logged)
    found = find_prediction(acknowledged[0])
    assert found is not None
    assert found["features"] == {"carrier": "AA", "distance": 903.0, "hour": 3.0}
    assert not list((tmp_path / "journal").glob("*/*"))


def flusher_of(server):
    """Return the process that flushes the journals of *server*; None if there is none, or one that is killed."""
    for each in psutil.process_iter(["ppid", "cmdline"]):
        if each.info["ppid"] == server.process.pid and FLUSHER in (each.info["cmdline"] or ()):
            return each
    return None


@pytest.mark.long
def test_a_flusher_that_is_killed_is_replaced(start, tmp_path, monkeypatch, size):
    """Killed again and again under load it loses and doubles nothing, fails no request, and ends with its server."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    server, killed = start(tmp_path, "--model", "demo"), set()
    with Load(server.url, 4) as load:
        for _ in range(size(2, 10)):
            deadline = time.monotonic() + 30
            while (found := flusher_of(server)) is None or found.pid in killed:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            time.sleep(1.7)
            found.kill()
            killed.add(found.pid)
        deadline = time.monotonic() + 60
        while httpx.get(f"{server.url}/health").json()["journal"]["folded"] < 100:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    left = flusher_of(server)
    assert server.stop() == 0
    psutil.wait_procs([left] if left else [], 10)
    assert left is None or not left.is_running()
    assert load.failures == []
    # On a slow machine rows are left to the next start.
    assert start(tmp_path, "--model", "demo").stop() == 0
    logged = read_predictions("demo").rows["prediction_id"]
    assert logged.is_unique
    assert {i for response in load.responses for i in response["prediction_ids"]} == set(logged)
    assert not list((tmp_path / "journal").glob("*/*"))


def test_swaps_under_load_drop_and_mix_nothing(registry, single, size):
    """While the champion moves under 16 clients, no request fails and each response is of one version."""
    mlflow.set_tracking_uri(registry.uri)
    frame = pd.DataFrame(ROWS)
    expected = {v: load_model(f"models:/demo/{v}").predict(frame) for v in (1, 2)}
    slowest = 0.0
    with Load(single.url, 16) as load:
        for swap in range(size(6, 200)):
            moved = time.monotonic()
            registry.promote(2 - swap % 2)
            while httpx.get(f"{single.url}/version").json()["models"]["demo"] != 2 - swap % 2:
                assert time.monotonic() - moved < 10
                time.sleep(0.02)
            slowest = max(slowest, time.monotonic() - moved)
    registry.promote(1)
    assert load.failures == []
    assert {response["version"] for response in load.responses} == {1, 2}
    for response in load.responses:
        assert np.array_equal(response["predictions"], expected[response["version"]])
    assert slowest < size(6, 2)  # Beside other tests both cores are busy; alone it is two seconds.


def test_facts_are_logged_and_not_given_to_the_model(server, monkeypatch):
    """The row's name and event time stand in the log; without them the time of serving does."""
    monkeypatch.setenv("REGROW_HOME", str(server.home))
    named = [{**ROWS[0], "row": 7, "at": "2013-04-01T05:00:00"}, {**ROWS[1], "row": None, "at": None}]
    response = httpx.post(f"{server.url}/models/demo/invocations", json={"dataframe_records": named})
    assert response.status_code == 200, response.text
    identifiers = response.json()["prediction_ids"]
    deadline = time.monotonic() + 20
    while find_prediction(identifiers[1]) is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    logged = read_predictions("demo").rows.set_index("prediction_id").loc[identifiers]
    assert logged["entity_id"].iloc[0] == "7"
    assert logged["event_time"].iloc[0] == pd.Timestamp("2013-04-01T05:00:00Z")
    assert logged["event_time"].iloc[1] == logged["served_at"].iloc[1]
    assert np.array_equal(np.stack(logged["prediction"].tolist()), response.json()["predictions"])
