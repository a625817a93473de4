"""All five services, started and stopped as a user does it."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest
from bucket import make_bucket
from stack import Stack, environment, meanwhile, under_way, up, wait

from regrow.base.places import read_place
from regrow.data.store_files import find_files, write
from regrow.services.ownership import read_record
from regrow.services.state.contents import OF_STORE


@pytest.mark.timeout(900)
def test_the_whole_stack_starts_retrains_on_an_alarm_and_stops(stack: Stack) -> None:
    """All five services answer, an alarm's event trains a successor that takes over, `down` leaves nothing.

    What `train` prints is the verdict, who serves now and the links: no word of a library, and no warning.
    """
    file = next(stack.settings.configs.glob("*.yaml"))
    name = file.stem
    for url in (f"{stack.settings.local_mlflow}/health", f"{stack.settings.local_server}/ping"):
        assert httpx.get(url, timeout=10).is_success
    asked = f"{stack.settings.local_mlflow}/api/2.0/mlflow/experiments/search"
    stranger = {"Origin": "https://attacker.example"}
    assert httpx.post(asked, json={"max_results": 1}, timeout=10).status_code == 401
    assert httpx.post(asked, json={"max_results": 1}, headers=stranger, timeout=10).status_code == 403
    told = {environment(each).get("REGROW_SERVER_URL") for each in stack.children()}
    assert stack.settings.local_server in told

    trained = stack.regrow("train", str(file), "--as-of", "2024-02-01")
    assert (trained.returncode, trained.stderr) == (0, ""), trained.stderr
    lines = trained.stdout.splitlines()
    assert lines[0] == f"{name}: passed its gates"
    assert "now: version 1 is the champion" in lines
    assert any(line.startswith("Prefect run ") and "/runs/flow-run/" in line for line in lines)
    assert stack.champion(name) == 1
    stack.prefect("events", [alarm(name, "2024-03-02T00:00:00+00:00")])
    ended: list[dict[str, Any]] = []
    wait(lambda: ended.extend(ended_runs(stack, f"retrain-{name}")) or ended, 240)
    assert ended[0]["state"]["type"] == "COMPLETED", ended[0]["state"]
    assert stack.champion(name) == 2
    assert "flow runs start as new processes" not in (stack.settings.home / "logs" / "runner.log").read_text()

    started = time.monotonic()
    stopped = stack.regrow("down")
    assert (stopped.returncode, stack.process.wait(10)) == (0, 0), stopped.stderr + stack.log.read_text()
    assert time.monotonic() - started < 20
    assert stack.children() == []
    assert list((stack.settings.home / "parts").glob("*.json")) == []


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_store_in_a_bucket_trains_serves_scores_and_watches(bucket: str, stack: Stack) -> None:
    """The whole life of a model with its store in a bucket: nothing of it is on the disk, the doctor is content."""
    file = next(stack.settings.configs.glob("*.yaml"))
    stack.run("train", str(file), "--as-of", "2024-02-01")
    stack.ask(file.stem, 200)
    wait(lambda: folded(f"{stack.settings.local_server}/metrics") >= 200, 120)
    stack.run("score", str(file), "--start", "2024-02-01", "--end", "2024-02-20")
    stack.run("monitor", str(file), "--as-of", "2024-02-28")
    stack.run("prune", "--dry-run")
    assert "wrong" not in stack.run("doctor")
    for folder in OF_STORE:
        assert not (stack.settings.home / folder).exists()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_store_that_moved_into_a_bucket_answers_the_same(
    stack: Stack, object_store: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was trained with its store in the state folder serves from the copy; the folder is not needed."""
    file, home = next(stack.settings.configs.glob("*.yaml")), stack.settings.home
    stack.run("train", str(file), "--as-of", "2024-02-01")
    before = stack.ask(file.stem, 50)
    stack.run("down")
    for key, value in object_store.items():
        monkeypatch.setenv(key, value)
    store = make_bucket(object_store)
    for name in OF_STORE:
        for found in find_files(home / name):
            path = str(found.place).removeprefix(f"{home}/")
            write(read_place(store) / path, Path(str(found.place)).read_bytes())
        if (home / name).exists():
            (home / name).rename(home / f"old-{name}")
    monkeypatch.setenv("REGROW_STORE", store)
    with up(stack.settings) as moved:
        assert f"nownames{home}and{store}" in "".join(moved.log.read_text().split())
        assert moved.ask(file.stem, 50) == before
        wait(lambda: folded(f"{stack.settings.local_server}/metrics") >= 100, 120)
        moved.run("monitor", str(file), "--as-of", "2024-02-28")
        assert "wrong" not in moved.run("doctor")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_each_part_is_killed_twice_under_load(stack: Stack) -> None:
    """No request to the model server fails while others die; all parts come back, none twice; the doctor is content.

    A part that hangs is ended and comes back too.
    """
    file = next(stack.settings.configs.glob("*.yaml"))
    assert stack.regrow("train", str(file), "--as-of", "2024-02-01").returncode == 0
    wait(lambda: httpx.get(f"{stack.settings.local_server}/ready", timeout=10).is_success, 60)
    with asking(stack) as answers:
        for part in ("mlflow", "prefect", "runner", "postgres") * 2:
            kill_and_wait(stack, part)
        for part in ("mlflow", "runner"):
            kill_and_wait(stack, part, signal.SIGSTOP)
    assert set(answers) == {200} and len(answers) > 100
    for _ in range(2):
        kill_and_wait(stack, "server")
        wait(lambda: httpx.get(f"{stack.settings.local_server}/ready", timeout=10).is_success, 120)
    commands = [" ".join(each.cmdline()) for each in stack.children()]
    for module in ("regrow.serving", "deployments.serve", "regrow.services.mlflow_server"):
        assert sum(f"-m {module}" in command for command in commands) == 1, commands
    examined = stack.regrow("doctor", "--json")
    assert examined.returncode == 0, examined.stdout
    assert stack.regrow("down").returncode == 0
    assert stack.process.wait(10) == 0
    assert stack.children() == []


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("stack", [("postgres", "prefect", "mlflow", "server")], indirect=True)
def test_the_database_may_be_away_under_load(stack: Stack) -> None:
    """PostgreSQL is killed under a training, and hangs under a monitoring: no request fails, and each is done once."""
    file = next(stack.settings.configs.glob("*.yaml"))
    stack.run("train", str(file), "--as-of", "2024-02-01")
    wait(lambda: httpx.get(f"{stack.settings.local_server}/ready", timeout=10).is_success, 120)
    with asking(stack) as answers:
        with under_way(stack, "train", str(file), "--as-of", "2024-02-10"):
            kill_and_wait(stack, "postgres")
        with under_way(stack, "monitor", str(file)), hanging(stack, "postgres"):
            before = len(answers)
            time.sleep(20)
            assert len(answers) > before
    assert set(answers) == {200}
    versions = stack.mlflow("model-versions/search", filter=f"name='{file.stem}'")["model_versions"]
    assert sorted(int(each["version"]) for each in versions) == [1, 2]
    runs = stack.runs(file.stem)
    assert len({key for key, _ in runs}) == len(runs)
    # The run that holds the moves is open as long as the model lives.
    assert "RUNNING" not in {status for key, status in runs if not key.startswith("moves/")}
    wait(lambda: folded(f"{stack.settings.local_server}/metrics") >= len(answers), 60)
    assert folded(f"{stack.settings.local_server}/metrics") == len(answers)
    examined = json.loads(stack.regrow("doctor", "--json").stdout)
    wrong = {each["check"] for each in examined["found"] if each["health"] == "wrong"}
    assert wrong == {"runner"}, "of the parts it alone was not started"


@contextmanager
def hanging(stack: Stack, part: str) -> Iterator[None]:
    """Let each process of *part* hang meanwhile."""
    record = read_record(stack.settings.home, part)
    assert record and record.child
    first = psutil.Process(record.child.pid)
    processes = [first, *first.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


@contextmanager
def asking(stack: Stack) -> Iterator[list[int]]:
    """Ask the model server several times a second meanwhile; yield the status of each answer, 0 if none came."""
    answers, row = list[int](), {"dataframe_records": [{"size": 0.5, "colour": "red"}]}

    def ask() -> None:
        try:
            answers.append(client.post(f"{stack.settings.local_server}/invocations", json=row).status_code)
        except httpx.TransportError:
            answers.append(0)

    with httpx.Client(timeout=60) as client, meanwhile(ask, 0.2):
        yield answers


def kill_and_wait(stack: Stack, part: str, number: int = signal.SIGKILL) -> None:
    """Kill the process of *part* (or send it another signal), and wait until it answers as a new one."""
    before = read_record(stack.settings.home, part)
    assert before and before.child
    killed = before.child.pid
    os.kill(killed, number)

    def came_back() -> bool:
        now = read_record(stack.settings.home, part)
        return bool(now and now.child and now.state == "answers" and now.child.pid != killed)

    wait(came_back, 300)


def folded(url: str) -> float:
    """Return how many rows the figures at *url* say to be in the tables."""
    found = re.search(r"^regrow_folded_rows\S* (\S+)$", httpx.get(url, timeout=10).text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def ended_runs(stack: Stack, name: str) -> list[dict[str, Any]]:
    """Find the flow runs called *name* that have ended."""
    runs = stack.prefect("flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}})
    return [run for run in runs if run["state"]["type"] in {"COMPLETED", "FAILED", "CRASHED"}]


def alarm(name: str, as_of: str) -> dict[str, Any]:
    """Make the event that `monitor` emits as of *as_of*."""
    now = datetime.now(UTC).isoformat()
    return {
        "id": str(uuid4()),
        "occurred": now,
        "event": "regrow.alarm",
        "resource": {"prefect.resource.id": f"regrow.model.{name}", "regrow.alarm.for": "retraining"},
        "payload": {"as_of": as_of, "reason": "a test"},
    }
