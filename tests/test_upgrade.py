"""State of the first release, and databases of older MLflows and Prefects, opened by this version."""

import json
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from stack import REGROW, up

from regrow.base.settings import Settings
from regrow.data.predictions import read_predictions
from regrow.data.state_version import STATE_FORMAT, read_state_version
from regrow.project import Project
from regrow.registry import ledger
from regrow.services import running
from regrow.services.postgres import DATABASES, start_database, stop_database
from regrow.services.state.backup import back_up
from regrow.services.state.dumps import restore_dump
from regrow.services.state.restore import restore

STATES = Path(__file__).parent / "states"
ROWS = [
    {"visit": "n1", "seen": "2026-08-01T08:00:00", "age": 30, "plan": "paid"},
    {"visit": "n2", "seen": "2026-08-01T09:00:00", "age": 71, "plan": "free"},
]
ANSWER = {
    "0.1": [[0.3404988001220506, 0.6595011998779494], [0.4857989602224815, 0.5142010397775185]],
}
"""What the model server of each release answered to `ROWS` before its state was packed."""


def ask(settings: Settings) -> Any:
    """Return what the model server answers to `ROWS`, and by which version, once it has loaded one."""
    deadline = time.monotonic() + 300
    while httpx.get(f"{settings.local_server}/ready").status_code != 200:
        assert time.monotonic() < deadline, "no version was loaded"
        time.sleep(0.5)
    url = f"{settings.local_server}/models/visits/invocations"
    answer = httpx.post(url, json={"dataframe_records": ROWS}, timeout=60).raise_for_status().json()
    return answer["version"], answer["predictions"]


@pytest.fixture
def name_registry() -> Iterator[Callable[[str], None]]:
    """Return what names the registry to this process, and put back what other tests have named."""
    before = mlflow.get_registry_uri()
    yield mlflow.set_registry_uri
    mlflow.set_registry_uri(before)


@pytest.mark.servers
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("release", sorted(ANSWER))
@pytest.mark.long
def test_state_of_a_release_opens_and_moves(
    release: str,
    tmp_path: Path,
    settings_for: Callable[[Path], Settings],
    name_registry: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same request gets the same answer: after the upgrade, and from a backup on another path."""
    with tarfile.open(STATES / f"{release}.tar.xz") as packed:
        packed.extractall(tmp_path / "packed", filter="data")
    expected = (2, ANSWER[release])
    told: list[str] = []
    first = settings_for(tmp_path / "first" / "state")
    restore(first, tmp_path / "packed", told.append)
    assert not [line for line in told if line.startswith("missing")]
    monkeypatch.setenv("REGROW_HOME", str(first.home))
    with running(first, {"postgres", "mlflow", "server"}, told.append):
        assert ask(first) == expected
        name_registry(first.local_mlflow)
        assert [move.kind for move in ledger("visits")] == ["promote", "promote"]
        back_up(first, tmp_path / "copy", told.append)
    found = read_state_version(first.home)
    assert found is not None
    assert found.format == STATE_FORMAT
    assert list((first.home / "dumps").iterdir())
    second = settings_for(tmp_path / "second place" / "state")
    manifest = restore(second, tmp_path / "copy", told.append)
    first.home.rename(tmp_path / "first" / "away")
    monkeypatch.setenv("REGROW_HOME", str(second.home))
    with running(second, {"postgres", "mlflow", "server"}, told.append):
        assert ask(second) == expected
    assert manifest.tables["tables/predictions/visits"].rows >= 4
    assert len(read_predictions("visits").rows) == 4 + 2 * len(
        ROWS
    )  # none is lost on the way, none comes twice


def grown_table(home: Path) -> pd.DataFrame:
    """Return the rows that the first release trained on, and 240 more of the last two months: four of each day."""
    found = [pd.read_parquet(file) for file in (home / "snapshots").glob("*.parquet")]
    old = max((frame for frame in found if "returned" in frame), key=len)
    random, now = np.random.default_rng(0), pd.Timestamp.now("UTC").normalize()
    age = random.integers(20, 80, 240)
    later = pd.DataFrame(
        {
            "visit": [f"w{number:03d}" for number in range(240)],
            "seen": [now - pd.Timedelta(6 * (240 - number), "h") for number in range(240)],
            "age": age,
            "plan": random.choice(["paid", "free"], 240),
            "returned": (age + random.normal(scale=20, size=240) > 50).astype(int),
        }
    )
    return pd.concat([old, later], ignore_index=True)


@pytest.mark.servers
@pytest.mark.timeout(900)
@pytest.mark.long
def test_the_life_of_a_model_of_the_first_release_goes_on(
    tmp_path: Path, settings_for: Callable[[Path], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state and project file are trained, scored twice and monitored by this version, and its versions traced."""
    with tarfile.open(STATES / "0.1.tar.xz") as packed:
        packed.extractall(tmp_path / "packed", filter="data")
    told: list[str] = []
    settings = settings_for(tmp_path / "state")
    restore(settings, tmp_path / "packed", told.append)
    (file,) = [*settings.home.glob("artifacts/1/06e2630c*/artifacts/project/visits.yaml")]
    configs = tmp_path / "configs"
    configs.mkdir()
    shutil.copy(file, configs)
    table = grown_table(settings.home)
    table.to_csv(configs / "visits.csv", index=False)
    monkeypatch.setenv("REGROW_HOME", str(settings.home))
    monkeypatch.setenv("REGROW_CONFIGS", str(configs))
    monkeypatch.setenv("REGROW_SERVER_URL", settings.local_server)

    def run(*words: object) -> Any:
        done = subprocess.run([REGROW, *map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in words else done.stdout

    with running(settings, {"postgres", "prefect", "mlflow", "server"}, told.append):
        assert ask(settings) == (2, ANSWER["0.1"])
        middle = table["seen"].iloc[-120].isoformat()
        for bounds, rows in ((("--end", middle), 120), (("--start", middle), 120)):
            start = () if "--start" in bounds else ("--start", table["seen"].iloc[-240].isoformat())
            found = run("score", configs / "visits.yaml", *start, *bounds, "--json")["scored"]
            assert (found["rows"], found["new"]) == (rows, rows)
        watched = run("monitor", configs / "visits.yaml", "--json")["verdict"]
        (performance,) = [each for each in watched["findings"] if each["subject"] == "performance"]
        assert performance["rows"] > 50, watched
        trained = run("train", configs / "visits.yaml", "--json")["verdict"]
        assert any("threshold" in each["rule"] or "roc_auc" in each["rule"] for each in trained["findings"])
        assert trained["result"] == "pass"
        assert "the gates of the project file" in run("trace", "models:/visits/3")
        assert "visits version 2" in run("trace", "models:/visits/2")
        assert "was fitted again" in run("reproduce", "models:/visits/2")
        assert "to the last bit" in run("reproduce", "models:/visits/3")
        deadline = time.monotonic() + 60
        while ask(settings)[0] != 3:
            assert time.monotonic() < deadline
            time.sleep(0.5)


@pytest.mark.servers
@pytest.mark.timeout(1200)
@pytest.mark.long
@pytest.mark.parametrize("libraries", ["mlflow-2.22-prefect-2.20", "mlflow-3.16-prefect-3.7"])
def test_databases_of_older_libraries_are_dumped_migrated_and_used(
    libraries: str, tmp_path: Path, settings_for: Callable[[Path], Settings], project: Callable[..., Project]
) -> None:
    """What an older MLflow and an older Prefect kept is found by `regrow up`, and a model is trained and served on it.

    Each of the packed databases was filled by its library: a run with a metric and a registered version of it, whose
    artifacts stood in another folder; a deployment with a schedule, and its flow run.
    """
    made = project(evaluation={"primary": "roc_auc", "gates": []})
    settings = settings_for(tmp_path / "state").model_copy(update={"configs": made.path.parent})
    with tarfile.open(STATES / f"{libraries}.tar.xz") as packed:
        packed.extractall(tmp_path / "packed", filter="data")
    settings.home.mkdir(mode=0o700)
    database = start_database(settings)
    for name in DATABASES:
        restore_dump(database, name, tmp_path / "packed" / f"{name}.dump")
    stop_database(database)
    with up(settings) as stack:
        (dumped,) = (settings.home / "dumps").iterdir()
        assert {f"{name}.dump" for name in DATABASES} < {file.name for file in dumped.iterdir()}
        assert f"thedatabasesfrombeforearein{dumped}" in "".join(stack.log.read_text().split())
        found = stack.mlflow("registered-models/alias", name="orders", alias="production")["model_version"]
        run = stack.mlflow("runs/get", run_id=found["run_id"])["run"]
        assert [(each["key"], each["value"]) for each in run["data"]["metrics"]] == [("roc_auc", 0.75)]
        assert run["info"]["artifact_uri"].startswith(f"{(settings.home / 'artifacts').as_uri()}/")
        (flow_run,) = stack.prefect("flow_runs/filter", {"flow_runs": {"name": {"any_": ["first"]}}})
        (deployment,) = stack.prefect("deployments/filter", {"deployments": {"name": {"any_": ["orders"]}}})
        assert (flow_run["state"]["type"], flow_run["deployment_id"]) == ("COMPLETED", deployment["id"])
        assert [each["schedule"]["cron"] for each in deployment["schedules"]] == ["0 3 1 1 *"]
        stack.run("train", str(made.path), "--as-of", "2024-02-01")
        assert len(stack.ask(made.name, 5)) == 5
        assert "wrong" not in stack.run("doctor")
