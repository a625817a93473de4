"""Which schedules did not fire: moments at which a flow was due and has not run.

Prefect plans runs an hour ahead, and at least three. Those that were planned while nothing ran them start late, each
with the moment for which it was planned; what was due after them was never planned, and would be lost.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort

from regrow.data import times
from regrow.lineage.outages import names_an_outage
from regrow.lineage.pages import all_deployments, flow_of
from regrow.lineage.runs import BY_SCHEDULE
from regrow.project import Project

HORIZON = timedelta(days=31)
"""How far back a schedule is followed."""
MOST_RUNS = 200
"""Newest runs of a deployment that are looked at."""
ATTEMPTS = 3
"""How often one moment is tried in all, if the runs of it fail for an outage or crash."""


Standing = Mapping[tuple[UUID, str, str | None], datetime]
"""Since when a schedule stands as it is, by its deployment, its cron line and its time zone."""
UNKNOWN: Standing = MappingProxyType({})


class Missed(NamedTuple):
    """A deployment's moments that have passed without a run, oldest first, and the runs of it that are late."""

    deployment: DeploymentResponse
    flow: str
    moments: tuple[datetime, ...]
    late: dict[datetime, FlowRun]
    broken: tuple[FlowRun, ...]
    """Scheduled runs that an outage has ended, and whose time no other run has looked at."""

    def __str__(self) -> str:
        """Return in a line what was missed."""
        first, last = min(self.due()), max(self.due())
        period = f"{first:%Y-%m-%d %H:%M}" + (f" to {last:%Y-%m-%d %H:%M}" if first != last else "")
        return f"{self.flow} {self.deployment.name}: due {len(self.due())} times without a run that ended ({period})"

    def due(self) -> set[datetime]:
        """Return every moment that was not done."""
        return {*self.moments, *(moment_of(run) for run in self.broken)}


def read_standing(client: SyncPrefectClient) -> Standing:
    """Return since when each schedule stands, as Prefect says: registered once more, it begins anew."""
    return {
        (deployment.id, schedule.cron, schedule.timezone): changed
        for deployment in all_deployments(client)
        for schedule, changed in _schedules_of(deployment, UNKNOWN)
        if changed
    }


def read_missed(
    client: SyncPrefectClient,
    projects: Iterable[Project],
    now: datetime,
    grace: timedelta,
    standing: Standing = UNKNOWN,
) -> list[Missed]:
    """Return what each scheduled deployment of *projects* has missed until *grace* before *now*.

    *standing* knows what Prefect forgets of schedules that were registered since.
    """
    known = {project.name: project for project in projects}
    found = []
    for deployment in all_deployments(client):
        if deployment.paused or deployment.name not in known:
            continue
        schedules = _schedules_of(deployment, standing)
        flow = flow_of(deployment)
        window = window_of(known[deployment.name], flow)
        if schedules and (missed := _missed(client, deployment, flow, window, schedules, now, grace)).due():
            found.append(missed)
    return found


def _schedules_of(
    deployment: DeploymentResponse, standing: Standing
) -> list[tuple[CronSchedule, datetime | None]]:
    """Return the active schedules of *deployment*, each with the moment since which it stands."""
    found = [
        (each.schedule, each.updated or each.created)
        for each in deployment.schedules
        if each.active and isinstance(each.schedule, CronSchedule)
    ]
    return [
        (each, standing.get((deployment.id, each.cron, each.timezone), changed)) for each, changed in found
    ]


def window_of(project: Project, flow: str) -> timedelta | None:
    """Return how far back a run of *flow* looks; None: at all there is, or at the present."""
    return {"monitor": project.monitoring.window, "score": project.scoring.window}.get(flow)


def _missed(
    client: SyncPrefectClient,
    deployment: DeploymentResponse,
    flow: str,
    window: timedelta | None,
    schedules: Sequence[tuple[CronSchedule, datetime | None]],
    now: datetime,
    grace: timedelta,
) -> Missed:
    """Return what *deployment* of *flow*, whose runs look back by *window*, has missed on *schedules*."""
    runs = _scheduled_runs(client, deployment, now)
    began = [moment_of(run) for run in runs if run.state is not None and not run.state.is_scheduled()]
    created = times.as_utc(deployment.created or now)
    moments: set[datetime] = set()
    for schedule, changed in schedules:
        start = max(
            now - HORIZON, created, _nothing_missed_until([moment_of(run) for run in runs], began, changed)
        )
        moments.update(moments_between(schedule, start, now - grace))
    open_ones = sorted(each for each in moments if not any(_covers(later, each, window) for later in began))
    waiting = {moment_of(run): run for run in runs if run.state is not None and run.state.is_scheduled()}
    late = {moment: run for moment, run in waiting.items() if moment <= now - grace}
    return Missed(deployment, flow, tuple(open_ones), late, tuple(broken_runs(runs, window)))


def _nothing_missed_until(known: list[datetime], began: list[datetime], changed: datetime | None) -> datetime:
    """Return the moment before which a schedule that stands so since *changed* has missed nothing.

    Its *known* runs were planned for these moments; some *began*. Since the change each moment needs a run, also one
    before the newest: Prefect, back again, goes on with new moments at once. Before that another schedule may have been
    due, so only what came after the newest run counts; and from before the oldest known run others may be forgotten.
    """
    if not began:
        return datetime.min.replace(tzinfo=UTC)
    return min(max(began), max(min(known), times.as_utc(changed))) if changed else max(began)


def _scheduled_runs(
    client: SyncPrefectClient, deployment: DeploymentResponse, now: datetime
) -> list[FlowRun]:
    """Return the newest runs of *deployment* that its schedule asked for, until *now*; newest first."""
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]),
            expected_start_time=FlowRunFilterExpectedStartTime(after_=now - HORIZON, before_=now),  # pyright: ignore[reportArgumentType]
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=MOST_RUNS,
    )
    return [run for run in runs if run.parameters.get("trigger") == BY_SCHEDULE]


def broken_runs(runs: Iterable[FlowRun], window: timedelta | None) -> list[FlowRun]:
    """Return the newest of *runs* of each moment that an outage has ended, unless it was tried `ATTEMPTS` times.

    A moment whose time a later run has looked at, which completed and looks back by *window*, needs no run any more.
    """
    by_moment: dict[datetime, list[FlowRun]] = {}
    for run in runs:
        by_moment.setdefault(moment_of(run), []).append(run)
    done = [
        moment
        for moment, tries in by_moment.items()
        if any(run.state is not None and run.state.is_completed() for run in tries)
    ]
    return [
        tries[0]
        for moment, tries in by_moment.items()
        if len(tries) < ATTEMPTS and all(map(_is_broken, tries))
        if not any(_covers(later, moment, window) for later in done)
    ]


def _covers(later: datetime, moment: datetime, window: timedelta | None) -> bool:
    """Return whether a run as of *later*, which looks back by *window*, looks at the time of *moment* too."""
    return later >= moment and (window is None or later - moment < window)


def _is_broken(run: FlowRun) -> bool:
    """Return whether *run* was ended by an outage: its process died, or a server did not answer."""
    state = run.state
    return state is not None and (
        state.is_crashed() or (state.is_failed() and names_an_outage(state.message or ""))
    )


def moment_of(run: FlowRun) -> datetime:
    """Return the moment that *run* pretends is now: its `as_of`, or when it was planned to start."""
    given: Any = run.parameters.get("as_of")
    if given is not None:
        return times.read_moment(str(given))
    assert run.expected_start_time is not None  # noqa: S101
    return times.as_utc(run.expected_start_time)


def moments_between(schedule: CronSchedule, start: datetime, end: datetime) -> list[datetime]:
    """Return the moments after *start* and until *end* at which *schedule* is due."""
    from prefect.server.schemas.schedules import CronSchedule as Cron

    cron = Cron(cron=schedule.cron, timezone=schedule.timezone, day_or=schedule.day_or)
    found: list[datetime] = []
    after = start + timedelta(seconds=1)
    while after <= end:
        more = [times.as_utc(moment) for moment in asyncio.run(cron.get_dates(start=after, end=end))]
        if not more:
            break
        found += more
        after = more[-1] + timedelta(seconds=1)
    return found


def covering(moments: Iterable[datetime], window: timedelta | None) -> list[datetime]:
    """Return the fewest of *moments*, oldest first, whose windows cover all that was missed: the newest, and so on.

    Without a *window* a run looks at all there is, so the newest is enough.
    """
    kept: list[datetime] = []
    for moment in sorted(moments, reverse=True):
        if not kept or not _covers(kept[-1], moment, window):
            kept.append(moment)
    return kept[::-1]
