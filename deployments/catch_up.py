"""Do once what was missed while a part was away: due moments without a run, and scheduled runs that an outage ended."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Scheduled

from regrow.base.errors import Unreachable
from regrow.base.reach import check_reachable
from regrow.base.settings import apply_environment, load_settings
from regrow.lineage.announcing import announce_missed
from regrow.lineage.deployed import is_deployed
from regrow.lineage.missed import UNKNOWN, Missed, Standing, covering, moment_of, read_missed, window_of
from regrow.lineage.pages import all_flow_runs
from regrow.lineage.runs import BY_SCHEDULE
from regrow.project import Project
from regrow.services.flow_runs import living_flow_runs
from regrow.services.projects import find_projects

AT_START, MEANWHILE = timedelta(seconds=30), timedelta(minutes=10)
"""How late a run may be before it counts as missed: at the start nothing runs it, meanwhile the worker may be busy."""
logger = logging.getLogger("regrow.deployments")


def catch_up(
    projects: Iterable[Project],
    now: datetime | None = None,
    grace: timedelta = AT_START,
    standing: Standing = UNKNOWN,
) -> list[str]:
    """Start once what *projects* have missed until *grace* before *now*; return a line on each.

    *standing* says since when the schedules stood that were registered anew just now.

    A monitoring or scoring run takes the moment that was missed as its `as_of`: the fewest that cover the time are
    started. A training, a retraining or a look at a rollout is of the present, so the newest one is enough. Runs that
    are late, and no longer needed, are cancelled. Done twice, nothing is started twice.
    """
    known = {project.name: project for project in projects}
    moment = now or datetime.now(UTC)
    with get_client(sync_client=True) as client:
        missed = read_missed(client, known.values(), moment, grace, standing)
        return [_do_once(client, known[each.deployment.name], each) for each in missed]


def _do_once(client: SyncPrefectClient, project: Project, missed: Missed) -> str:
    """Start the runs that do what was *missed*, cancel late ones that are not needed; return what was done."""
    wanted = covering(missed.due(), window_of(project, missed.flow))
    announce_missed(project, missed.flow, str(missed), missed.due())
    attempts = {moment_of(run): run.id for run in missed.broken}
    started = [moment for moment in wanted if moment not in missed.late]
    for moment in started:
        again = f" after {attempts[moment]}" if moment in attempts else ""
        client.create_flow_run_from_deployment(
            missed.deployment.id,
            parameters={"trigger": BY_SCHEDULE, "as_of": moment.isoformat()},
            idempotency_key=f"missed {missed.deployment.id} {moment.isoformat()}{again}",
        )
    for moment, run in missed.late.items():
        if moment not in wanted:
            reason = f"missed; the run as of {wanted[-1]:%Y-%m-%d %H:%M} looks at its time too"
            client.set_flow_run_state(run.id, Cancelled(message=reason))
    return f"{missed}; started now: as of {', '.join(f'{moment:%Y-%m-%d %H:%M}' for moment in wanted)}"


def free_stranded() -> list[str]:
    """Plan anew the runs that a dead runner had taken and not started: nothing else would; return their names.

    Call it before the runner takes runs of its own.
    """
    with get_client(sync_client=True) as client:
        pending = all_flow_runs(client, StateType.PENDING)
        stranded = [run for run in pending if run.deployment_id is not None]
        living = living_flow_runs() if stranded else {}
        return [_plan_anew(client, run) for run in stranded if run.id not in living]


def _plan_anew(client: SyncPrefectClient, run: FlowRun) -> str:
    """Let the runner take *run* again; return its name."""
    client.set_flow_run_state(run.id, Scheduled(message="its runner died before it began"), force=True)
    return run.name


def main() -> None:
    """Look for what the deployed models have missed, as the runner has it done every few minutes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = load_settings()
    apply_environment(settings)
    try:
        check_reachable(settings)
        deployed = [each for each in find_projects(settings.configs).projects if is_deployed(each.path)]
        for line in catch_up(deployed, grace=MEANWHILE):
            logger.warning("%s", line)
    except (Unreachable, PrefectException, httpx.HTTPError) as error:
        logger.warning("what was missed is not known: %s", error)


if __name__ == "__main__":
    main()
