"""Several workers on one port: what one says holds for all, and a dead one is replaced."""

import os
import signal
import threading
import time

import httpx
import psutil
import pytest

from regrow.data.predictions import read_predictions

ROW = {"carrier": "AA", "distance": 900.0, "hour": 17}


def until(condition, seconds=60):
    """Wait until *condition* returns something true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def ask(url, count):
    """Send *count* requests, each on a connection of its own; return the prediction ids."""
    found = []
    for _ in range(count):
        response = httpx.post(f"{url}/invocations", json={"dataframe_records": [ROW]}, timeout=30)
        assert response.status_code == 200, response.text
        found += response.json()["prediction_ids"]
    return found


def ask_on(url, acknowledged):
    """Ask until the server is gone; while it stops, what it does not answer it has not taken."""
    with httpx.Client(timeout=30) as client:
        while True:
            try:
                response = client.post(f"{url}/invocations", json={"dataframe_records": [ROW]})
            except httpx.TransportError:
                return
            assert response.status_code == 200, response.text
            acknowledged += response.json()["prediction_ids"]


def workers(server):
    """Return what each worker serves, by its process."""
    content = httpx.get(f"{server.url}/version", timeout=30).json()
    return {each["pid"]: each["models"] for each in content["workers"]}


def all_serve(server, count=2):
    """Return the workers once *count* of them serve the champion."""
    found = workers(server)
    return found if len(found) == count and all("demo" in each for each in found.values()) else None


@pytest.mark.long
def test_two_workers_answer_as_one_server(start, tmp_path, monkeypatch):
    """Each page tells of both; a killed worker is replaced, its journal flushed; a stop ends all with exit code 0."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    server = start(tmp_path, "--model", "demo", "--workers", "2")
    before = until(lambda: all_serve(server))
    assert {each["demo"]["champion"] for each in before.values()} == {1}
    acknowledged = ask(server.url, 40)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    after = None
    while not after:  # A worker that is being loaded takes no request, or it would refuse some of these.
        acknowledged += ask(server.url, 1)
        after = victim not in workers(server) and all_serve(server)
    assert len(set(before) & set(after)) == 1, "the other one goes on"
    acknowledged += ask(server.url, 10)
    counted = httpx.get(f"{server.url}/metrics").text
    requests = [line for line in counted.splitlines() if line.startswith("regrow_requests_total")]
    assert sum(float(line.split()[-1]) for line in requests) == len(acknowledged), (
        "a dead worker's counts stay"
    )
    assert "regrow_registry_up 1.0" in counted.splitlines(), "one gauge of all workers"
    health = httpx.get(f"{server.url}/health").json()
    assert (health["status"], health["workers"]["answering"]) == ("ok", 2)
    clients = [threading.Thread(target=ask_on, args=(server.url, acknowledged)) for _ in range(4)]
    for client in clients:
        client.start()
    time.sleep(1)
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 20
    for client in clients:
        client.join()
    assert not any(psutil.pid_exists(pid) for pid in after)
    logged = read_predictions("demo").rows["prediction_id"]
    assert logged.is_unique
    assert len(acknowledged) > 60
    assert set(acknowledged) <= set(logged)
    assert not list((tmp_path / "workers").glob("*"))


@pytest.mark.long
def test_workers_end_with_their_supervisor(start, tmp_path):
    """A supervisor that is killed leaves no worker behind, and the next start cleans up after it."""
    server = start(tmp_path, "--model", "demo", "--workers", "2")
    left = until(lambda: all_serve(server))
    server.stop(signal.SIGKILL)
    until(lambda: not any(psutil.pid_exists(pid) for pid in left))
    assert len(list((tmp_path / "workers").glob("*"))) == 1
    assert start(tmp_path, "--model", "demo").stop() == 0
    assert not list((tmp_path / "workers").glob("*"))


@pytest.mark.long
def test_a_taken_port_is_one_sentence(start, server, tmp_path):
    """If the port is in use the server ends at once and says so, with several workers too."""
    port = server.url.rpartition(":")[2]
    for count in ("1", "2"):
        second = start(tmp_path, "--workers", count, "--port", port)
        assert second.process.wait(30) == 1
        assert f":{port} cannot be listened on; give another port" in second.log.read_text()
