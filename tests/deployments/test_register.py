"""The deployments, on the real Prefect server."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from deployments.register import POOL, read_flows, read_projects, register
from regrow.project import Project
from regrow.services import Services

SCHEDULES = {
    "train": "0 3 1 * *",
    "score": "0 2 * * *",
    "monitor": "30 6 * * *",
    "retrain": "0 6 * * 1",
    "rollout": "*/10 * * * *",
}


def test_a_broken_file_does_not_stop_the_others(project: Callable[..., Project], caplog) -> None:
    """A YAML file that is broken is logged with its name, and the good one beside it is read."""
    good = project()
    (good.path.parent / "broken.yaml").write_text("name: [")
    assert [each.name for each in read_projects(good.path.parent)] == [good.name]
    assert "broken.yaml" in caplog.text


@pytest.mark.parametrize(("content", "reason"), [(None, "holds no project file"), ("name: [", "broken.yaml")])
def test_a_folder_without_a_model_is_told(tmp_path: Path, content: str | None, reason: str, caplog) -> None:
    """The runner's log says where it looked, what is wrong there, and what to do."""
    if content:
        (tmp_path / "broken.yaml").write_text(content)
    assert read_projects(tmp_path) == []
    assert reason in caplog.text
    assert f"no model is deployed: {tmp_path}" in caplog.text
    assert "REGROW_CONFIGS" in caplog.text


def test_a_deployment_carries_schedule_limit_and_parameters(
    services: Services, project: Callable[..., Project]
) -> None:
    """The server knows each cron of the file, in UTC, one run at a time, and the file's path."""
    made = project(
        training={
            "estimator": "sklearn.linear_model.LogisticRegression",
            "schedule": SCHEDULES["train"],
        },
        scoring={"schedule": SCHEDULES["score"]},
        monitoring={"schedule": SCHEDULES["monitor"]},
        retraining={"schedule": SCHEDULES["retrain"]},
        deployment={"server": False, "rollout_schedule": SCHEDULES["rollout"]},
    )
    asyncio.run(register([made], read_flows()))
    with get_client(sync_client=True) as client:
        for flow in ("train", "monitor", "retrain", "score", "rollout", "rollback"):
            found = client.read_deployment_by_name(f"{flow}/{made.name}")
            assert found.parameters == {"config": str(made.path)}
            assert found.work_pool_name == POOL
            assert [(each.schedule.cron, each.schedule.timezone) for each in found.schedules] == [
                (cron, "UTC") for name, cron in SCHEDULES.items() if name == flow
            ]
            assert [each.parameters for each in found.schedules] == [{"trigger": "schedule"}] * len(
                found.schedules
            )
            if flow in {"train", "retrain", "rollout"}:
                assert found.global_concurrency_limit.limit == 1
