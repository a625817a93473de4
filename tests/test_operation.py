"""What an operator relies on: a backup under load, schedules after an outage, a disk that fills up."""

import json
import socketserver
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
import psutil
import psycopg
import pytest
from deltalake import DeltaTable
from small_disk import fill, small_disk
from stack import REGROW, Stack, meanwhile, under_way, up, wait

from regrow.base.settings import Settings
from regrow.data.predictions import read_predictions
from regrow.project import Project
from regrow.services.ownership import read_record
from regrow.services.postgres import reach_database

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
PARTS = ("postgres", "prefect", "mlflow", "server", "runner")
ROW = {"size": 0.5, "colour": "red"}


@dataclass
class Told:
    """What a model server has acknowledged, and the status of each answer that was none."""

    predictions: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


@contextmanager
def load(stack: Stack, model: str) -> Iterator[Told]:
    """Ask *model* for a prediction, and tell its label, several times a second meanwhile."""
    told = Told()

    def ask() -> None:
        answer = client.post(f"/models/{model}/invocations", json={"dataframe_records": [ROW]})
        if not answer.is_success:
            told.refused.append(answer.status_code)
            return
        (key,) = answer.json()["prediction_ids"]
        told.predictions.append(key)
        label = {"prediction_id": key, "label": len(told.predictions) % 2}
        answer = client.post(f"/models/{model}/labels", json={"labels": [label]})
        if answer.is_success:
            told.labels.append(key)
        else:
            told.refused.append(answer.status_code)

    with httpx.Client(base_url=stack.settings.local_server, timeout=60) as client, meanwhile(ask, 0.05):
        yield told


def model_of(stack: Stack) -> str:
    """Train the stack's one project, and return its name once it is served."""
    file = next(stack.settings.configs.glob("*.yaml"))
    stack.run("train", str(file), "--as-of", "2024-02-01")
    wait(lambda: httpx.get(f"{stack.settings.local_server}/ready", timeout=10).is_success, 120)
    return file.stem


def test_a_backup_under_load_restores_elsewhere(
    stack: Stack,
    tmp_path: Path,
    settings_for: Callable[[Path], Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is restored on another path answers the same, the doctor is content, and each row is in its log once.

    That is each prediction and each label that was acknowledged before the backup began; of those that came while it
    was made some may be in it, and nothing that nobody was told.
    """
    model, copy = model_of(stack), tmp_path / "copy"
    answer = stack.ask(model, 50)
    with load(stack, model) as told:
        wait(lambda: len(told.labels) > 200, 120)
        before = Told(list(told.predictions), list(told.labels))
        stack.run("backup", str(copy))
        during = len(told.predictions)
        wait(lambda: len(told.predictions) > during + 50, 120)
    assert told.refused == []
    stack.run("down")
    stack.settings.home.rename(tmp_path / "away")
    settings = settings_for(tmp_path / "another place" / "state")
    settings = settings.model_copy(update={"configs": stack.settings.configs})
    restored = subprocess.run(
        [REGROW, "restore", str(copy)],
        env=stack.environment | {"REGROW_HOME": str(settings.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert restored.returncode == 0, restored.stderr
    assert "missing" not in restored.stdout
    monkeypatch.setenv("REGROW_HOME", str(settings.home))
    with up(settings) as second:
        wait(lambda: set(before.predictions) <= logged(model), 60)
        assert (second.ask(model, 50), second.champion(model)) == (answer, 1)
        wait(lambda: second.journal()["bytes"] == 0, 60)
        assert "wrong" not in second.run("doctor")
    rows = Counter(read_predictions(model).rows["prediction_id"])
    assert set(rows.values()) == {1}
    assert set(before.predictions) <= set(rows)
    assert len(set(rows) - set(told.predictions)) == 2 * len(answer)
    table = DeltaTable(str(settings.home / "tables" / "labels" / model))
    labels = Counter(table.to_pyarrow_table(columns=["prediction_id"])["prediction_id"].to_pylist())
    assert set(labels.values()) == {1}
    assert set(before.labels) <= set(labels) <= set(told.labels)


def logged(model: str) -> set[str]:
    """Return what the table of *model*'s predictions holds."""
    return set(read_predictions(model).rows["prediction_id"])


@pytest.mark.parametrize("place", [".", "postgres"])
def test_the_disk_is_full_under_postgresql(
    place: str,
    project: Callable[..., Project],
    settings_for: Callable[[Path], Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`regrow up` names the disk and goes on, and with room again all parts come back: nothing is lost or doubled.

    The model server answers on. With the state folder on that disk it refuses what it cannot log, as 503.
    """
    made = project(evaluation={"primary": "roc_auc", "gates": []})
    settings = settings_for(tmp_path / "home").model_copy(update={"configs": made.path.parent})
    monkeypatch.setenv("REGROW_HOME", str(settings.home))
    with small_disk(settings.home / place, 400) as disk, up(settings) as stack:
        model = model_of(stack)
        with load(stack, model) as told:
            with under_way(stack, "train", str(made.path), "--as-of", "2024-02-10"):
                # Before: a new connection would be refused for lack of room.
                with reach_database(settings).connect() as connection:
                    filler = fill(disk)
                    write_until_it_ends(connection)
                wait(lambda: f"the disk of {disk}" in stack.log.read_text(), 240)
                asked = len(told.predictions) + len(told.refused)
                wait(lambda: len(told.predictions) + len(told.refused) > asked + 50, 60)
                assert httpx.get(f"{settings.local_server}/ping", timeout=30).is_success
                filler.unlink()
                wait(lambda: {state_of(stack, part) for part in PARTS} == {"answers"}, 400)
            answered = len(told.predictions)
            wait(lambda: len(told.predictions) > answered + 20, 60)
        assert set(told.refused) == ({503} if place == "." else set())
        versions = stack.mlflow("model-versions/search", filter=f"name='{model}'")["model_versions"]
        assert sorted(int(each["version"]) for each in versions) == [1, 2]
        keys = [key for key, _ in stack.runs(model)]
        assert len(set(keys)) == len(keys)
        wait(lambda: stack.journal()["bytes"] == 0, 60)
        examined = json.loads(stack.regrow("doctor", "--json").stdout)
        assert {each["check"] for each in examined["found"] if each["health"] == "wrong"} <= {"disk"}
        # Here, for the table goes with its disk.
        assert Counter(read_predictions(model).rows["prediction_id"]) == Counter(told.predictions)


def state_of(stack: Stack, part: str) -> str | None:
    """Return what `regrow up` has written down of *part*."""
    record = read_record(stack.settings.home, part)
    return record.state if record else None


def write_until_it_ends(connection: "psycopg.Connection[Any]") -> None:
    """Let the embedded PostgreSQL write to its log of changes until it ends for lack of room."""
    with pytest.raises(psycopg.OperationalError):
        while True:
            connection.execute("SELECT pg_logical_emit_message(true, 'a test', repeat('x', 1000000))")


def test_each_moment_of_a_schedule_is_looked_at_once(
    project: Callable[..., Project],
    settings_for: Callable[[Path], Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Prefect is killed and kept away, then the whole stack is stopped: each minute is monitored, and none twice.

    Prefect plans four minutes ahead here: some of the runs were planned and come late, others were never planned.
    """
    monkeypatch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS", "5")
    monkeypatch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_MIN_RUNS", "1")
    monkeypatch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME", "PT4M")
    watched = {"schedule": "* * * * *", "window": "1m"}
    made = project(evaluation={"primary": "roc_auc", "gates": []}, monitoring=watched)
    settings = settings_for(tmp_path / "home").model_copy(update={"configs": made.path.parent})
    with up(settings) as stack:
        halves = [datetime.now(UTC) + timedelta(seconds=30 * count) for count in range(120)]
        stack.ask(model_of(stack), len(halves), halves)  # so that each minute of the test has rows to look at
        wait(lambda: len(monitored(stack, made.name)) > 1, 240)
        wait(lambda: rests(stack), 60)
        with away(stack, "prefect") as since:
            time.sleep(130)
            assert max(monitored(stack, made.name)) < since
        wait(lambda: max(monitored(stack, made.name)) > since + timedelta(minutes=4), 400)
        wait(lambda: rests(stack), 60)
        stack.run("down")
    time.sleep(330)
    with up(settings) as stack:
        assert f"missed: monitor {made.name}" in stack.log.read_text()
        first, last = min(monitored(stack, made.name)), datetime.now(UTC).replace(second=0, microsecond=0)
        due = {
            first + timedelta(minutes=count) for count in range((last - first) // timedelta(minutes=1) + 1)
        }
        wait(lambda: due <= set(monitored(stack, made.name)), 400)
        assert set(monitored(stack, made.name).values()) == {1}


def monitored(stack: Stack, model: str) -> Counter[datetime]:
    """Count the monitoring runs of *model* that MLflow knows to have ended well, by the moment that they looked at."""
    experiment = stack.mlflow("experiments/get-by-name", experiment_name=model)["experiment"]["experiment_id"]
    wanted = "tags.`regrow.flow` = 'monitor' AND attributes.status = 'FINISHED'"
    asked = {"experiment_ids": [experiment], "filter": wanted, "max_results": 1000}
    runs = stack.mlflow("runs/search", asked).get("runs", [])
    tags = [{tag["key"]: tag["value"] for tag in run["data"]["tags"]} for run in runs]
    return Counter(datetime.fromisoformat(each["regrow.as_of"]) for each in tags)


def rests(stack: Stack) -> bool:
    """Return whether no flow run is under way."""
    return not stack.prefect(
        "flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING"]}}}}
    )


class _Other(socketserver.ThreadingTCPServer):
    """A program that has the port of a server, and answers nothing."""

    allow_reuse_address = True


@contextmanager
def away(stack: Stack, part: Literal["prefect", "mlflow"]) -> Iterator[datetime]:
    """Kill the server of *part*, and give its port to another program meanwhile; yield the moment of its end."""
    record = read_record(stack.settings.home, part)
    assert record and record.child
    process, since = psutil.Process(record.child.pid), datetime.now(UTC)
    process.kill()
    psutil.wait_procs([process], 10)
    port = {"prefect": stack.settings.prefect_port, "mlflow": stack.settings.mlflow_port}[part]
    with _Other(("127.0.0.1", port), socketserver.BaseRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        yield since
        other.shutdown()
    wait(lambda: state_of(stack, part) == "answers", 300)
