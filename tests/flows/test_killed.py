"""`kill -9` of the flow's process in the middle of a step, then a new run: the same end state as without the kill."""

from collections.abc import Callable
from typing import Any

import pytest

from regrow import registry
from regrow.base.settings import load_settings
from regrow.lineage import KEY
from regrow.project import Project

AS_OF = "2024-03-01T00:00:00+00:00"
KILLED = -9
Runner = Callable[..., tuple[int, int]]
POINTS = (
    "ingest: written, not renamed",
    *(
        pytest.param(point, marks=pytest.mark.long)
        for point in (
            "deploy: moved, alias not written",
            "fit: uploaded, not finished",
            "register: version made, not returned",
            "fit: finished, not returned",
            "refit: uploaded, not finished",
            "refit: finished, not returned",
            "deploy: about to move",
            "deploy: alias written, not reconciled",
            "deploy: done, not tagged",
        )
    ),
)


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
        "ledger": [(move.kind, move.before, move.state.champion) for move in registry.ledger(project.name)],
        "ready models": sum(str(model.status) == "READY" for model in models),
        "pending models": sum(str(model.status) == "PENDING" for model in models),
        "running": [
            run.info.run_name
            for run in runs
            if run.info.status == "RUNNING" and run.data.tags.get(KEY) != f"moves/{project.name}"
        ],
        "finished flows": sum(
            run.info.status == "FINISHED" and "regrow.flow" in run.data.tags for run in runs
        ),
        "partial snapshots": [path.name for path in load_settings().snapshots.glob("*.partial")],
    }


EXPECTED = {
    "versions": 1,
    "champion": 1,
    "status": "promoted",
    "ledger": [("promote", None, 1)],
    "ready models": 2,
    "pending models": 0,
    "running": [],
    "finished flows": 1,
    "partial snapshots": [],
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_then_run_again(point: str, run: Runner, project: Callable[..., Project]) -> None:
    """After a kill at *point* a new run leaves what one run alone leaves: one version, one champion, one move."""
    model = project()
    assert run("train", model, AS_OF, point)[0] == KILLED
    assert run("train", model, AS_OF, "none")[0] == 0
    assert state(model) == EXPECTED
