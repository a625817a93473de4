"""Register every project's flows and automations with Prefect, and begin what was missed.

The runner has it done at its start, `python -m deployments.register`, as a fork of the preloaded process, which has
imported the flows.
"""

import asyncio
import logging
import shlex
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists
from prefect.schedules import Cron, Schedule
from prefect.types.entrypoint import EntrypointType
from prefect.workers.process import ProcessWorker

from deployments.automations import install
from deployments.catch_up import catch_up, free_stranded
from deployments.preloaded import AS_FORK
from regrow.base.errors import ProjectError, Unreachable
from regrow.base.reach import why_silent
from regrow.base.settings import Settings, apply_environment, load_settings
from regrow.data.files import write_whole
from regrow.lineage import remember_deployed
from regrow.lineage.missed import read_standing
from regrow.lineage.runs import BY_SCHEDULE
from regrow.project import Project
from regrow.project.schedules import SCHEDULED, check_cron, schedules_of
from regrow.services.commands import POOL, missed_file, ready_file
from regrow.services.projects import find_projects

FLOWS = ("train", "monitor", "retrain", "score", "rollout", "rollback")
ONE = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
"""One run at a time; others wait."""
ONE_AT_A_TIME = frozenset({"train", "retrain", "rollout", "score"})
COMMAND = shlex.join(AS_FORK)
logger = logging.getLogger("regrow.deployments")


def read_projects(folder: Path) -> list[Project]:
    """Read every project file in *folder*; log what is wrong with one and go on with the others."""
    found = find_projects(folder)
    for problem in found.problems:
        logger.critical("%s\nLeft out until it is mended and the runner is started again.", problem)
    if not found.projects:
        logger.critical("%s", found.describe([]))
    return list(found.projects)


def read_flows() -> dict[str, Flow[..., Any]]:
    """Import the flows that are deployed, and return them by name."""
    return {name: getattr(import_module(f"flows.{name}"), name) for name in FLOWS}


async def deployments(project: Project, flows: dict[str, Flow[..., Any]]) -> list[RunnerDeployment]:
    """Describe one deployment of each of *flows* for *project*, named after it.

    Raises `ProjectError` if a schedule is not cron.
    """
    given = schedules_of(project)
    for key, cron in given.items():
        check_cron(project, key, cron)
    return [
        await _deployment(project, name, flow, given.get(SCHEDULED.get(name, "")))
        for name, flow in flows.items()
    ]


async def _deployment(
    project: Project, name: str, flow: Flow[..., Any], cron: str | None
) -> RunnerDeployment:
    """Describe the deployment of *flow* for *project*, on the schedule *cron*."""
    return await flow.ato_deployment(
        project.name,
        description=_describe(project, flow),
        tags=["regrow", project.name],
        parameters={"config": str(project.path)},
        schedules=_by(cron),
        concurrency_limit=ONE if name in ONE_AT_A_TIME else None,
        **job(),
    )


def _by(cron: str | None) -> list[Schedule]:
    """Return the schedule that *cron* is, in UTC; none without one."""
    return [Cron(cron, timezone="UTC", parameters={"trigger": BY_SCHEDULE})] if cron else []


def job(pool: str = POOL) -> dict[str, Any]:
    """Return what a deployment says about where and how its runs start."""
    return {
        "work_pool_name": pool,
        "job_variables": {"command": COMMAND, "working_dir": str(Path.cwd())},
        "entrypoint_type": EntrypointType.MODULE_PATH,
    }


def _describe(project: Project, flow: Flow[..., Any]) -> str:
    """Return what a run does, and of which model."""
    return "\n\n".join(part for part in (flow.description, project.description) if part)


async def register(projects: list[Project], flows: dict[str, Flow[..., Any]]) -> list[Project]:
    """Register the deployments of *projects* with the server; log, and leave out, one that cannot be."""
    await make_pool()
    registered = []
    for project in projects:
        try:
            described = await deployments(project, flows)
        except ProjectError as error:
            logger.critical("%s", error)
            continue
        await asyncio.gather(*(deployment.aapply() for deployment in described))
        registered.append(project)
    return registered


async def register_tidying(settings: Settings) -> None:
    """Register the flow that removes what is old: one deployment for all models, `tidy/all`."""
    flow = import_module("flows.tidy").tidy
    described = await flow.ato_deployment(
        "all",
        description=flow.description,
        tags=["regrow"],
        schedules=_by(settings.tidy_schedule),
        concurrency_limit=ONE,
        **job(),
    )
    await described.aapply()


async def make_pool(pool: str = POOL) -> None:
    """Create the work pool called *pool*, or leave it as a user has changed it."""
    template = ProcessWorker.get_default_base_job_template()
    async with get_client() as client:
        with suppress(ObjectAlreadyExists):
            await client.create_work_pool(
                WorkPoolCreate(name=pool, type=ProcessWorker.type, base_job_template=template)
            )


def wait_for_prefect(settings: Settings, patience: float = 120.0) -> None:
    """Return once Prefect's API answers; raise `Unreachable` if it does not within *patience* seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if why_silent(f"{settings.prefect_api_url}/health", timeout=2) is None:
            return
        time.sleep(0.2)
    raise Unreachable(f"{settings.prefect_api_url}: Prefect does not answer; start it with `regrow up`")


def main() -> None:
    """Register everything, install the automations, begin what was missed, and write down which models are deployed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = load_settings()
    apply_environment(settings)
    wait_for_prefect(settings)
    with get_client(sync_client=True) as client:
        standing = read_standing(client)
    projects = asyncio.run(register(read_projects(settings.configs), read_flows()))
    asyncio.run(register_tidying(settings))
    logger.info("automations: %s", ", ".join(install(projects)))
    told = [*(f"begun anew: {name}" for name in free_stranded()), *catch_up(projects, standing=standing)]
    for line in told:
        logger.warning("%s", line)
    write_whole(missed_file(settings), "\n".join(told).encode(), flush=False)
    remember_deployed(projects)
    names = "\n".join(project.name for project in projects)
    write_whole(ready_file(settings), names.encode(), flush=False)


if __name__ == "__main__":
    main()
