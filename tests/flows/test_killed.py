"""`kill -9` of the flow's process in the middle of a step, then a new run: the same end state as without the kill."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from regrow import registry
from regrow.project import Project
from regrow.settings import load_settings

AS_OF = "2024-03-01T00:00:00+00:00"
KILLED = -9
Runner = Callable[[Project, str], int]
POINTS = (
    "ingest: written, not renamed",
    "fit: uploaded, not finished",
    "fit: finished, not returned",
    "register: version made, not returned",
    "deploy: intended, not moved",
    "deploy: moved, not done",
    "deploy: done, not tagged",
)


@pytest.fixture(scope="module")
def run(services: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Give a function that runs the train flow in a process of its own, which dies at the point that is named."""
    script = Path(__file__).with_name("kill_points.py")
    log = tmp_path_factory.mktemp("killed") / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, str(script)], stdin=-1, stdout=-1, stderr=errors, text=True, bufsize=1
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        given, answered = process.stdin, process.stdout

        def run(project: Project, point: str) -> int:
            given.write(json.dumps([str(project.path), AS_OF, point]) + "\n")
            status = int(answered.readline())
            assert status in {0, KILLED}, log.read_text()[-4000:]
            return status

        yield run
        given.close()


def state(project: Project) -> dict[str, Any]:
    """Describe all that a training leaves behind, beside the runs of the attempts that died."""
    client = registry.connect()
    experiment = client.get_experiment_by_name(project.name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    models = client.search_logged_models([experiment.experiment_id])
    versions = client.search_model_versions(f"name = '{project.name}'")
    champion = registry.champion(project.name)
    assert champion is not None
    return {
        "versions": len(versions),
        "champion": champion.number,
        "status": champion.tags.get("regrow.status"),
        "ledger": [
            (move.from_version, move.to_version, move.status) for move in registry.ledger(project.name)
        ],
        "ready models": sum(str(model.status) == "READY" for model in models),
        "pending models": sum(str(model.status) == "PENDING" for model in models),
        "running": [run.info.run_name for run in runs if run.info.status == "RUNNING"],
        "finished flows": sum(
            run.info.status == "FINISHED" and "regrow.flow" in run.data.tags for run in runs
        ),
        "partial snapshots": [path.name for path in load_settings().snapshots.glob("*.partial")],
    }


EXPECTED = {
    "versions": 1,
    "champion": 1,
    "status": "promoted",
    "ledger": [(None, 1, "done")],
    "ready models": 1,
    "pending models": 0,
    "running": [],
    "finished flows": 1,
    "partial snapshots": [],
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_then_run_again(point: str, run: Runner, project: Callable[..., Project]) -> None:
    """After a kill at *point* a new run leaves what one run alone leaves: one version, one champion, one move."""
    model = project()
    assert run(model, point) == KILLED
    assert run(model, "none") == 0
    assert state(model) == EXPECTED
