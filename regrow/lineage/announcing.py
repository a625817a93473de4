"""Announce what a flow run came to: the event of a step or flow, with its cause and the pages that hold more."""

import getpass
import socket
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext, TaskRunContext

from regrow.base.errors import ProjectError, RegrowError
from regrow.base.reach import why_silent
from regrow.base.settings import Settings, load_settings
from regrow.base.verdict import Subject
from regrow.lineage.deployed import is_deployed
from regrow.lineage.outages import may_pass
from regrow.lineage.runs import BY_SCHEDULE, FLOW, FLOW_RUN, find_experiment, find_run, flow_run_of, run_url
from regrow.notifications.emitting import emit
from regrow.notifications.event import MEANINGS, Event, Figure, event_id
from regrow.project import Kind, Project, Severity, load_project
from regrow.registry import Move, connect

TRAININGS = ("train", "retrain")
OF_MOVES: dict[str, Kind] = {
    "promote": "version.promoted",
    "roll back": "version.rolled-back",
    "put back": "version.rolled-back",
}
"""What a move of the ledger is told as; a finished rollout is told by who serves after it."""


def find_links(settings: Settings, model: str, flow_run_id: str, report: bool = True) -> dict[str, str]:
    """Return the pages of a flow run in Prefect and MLflow and, if asked, of the *report* that it wrote, by name."""
    client = connect()
    experiment = find_experiment(client, model)
    links = {"Prefect run": f"{settings.prefect_ui_url}/runs/flow-run/{flow_run_id}"}
    parent = find_run(client, experiment, flow_run_id)
    drift = find_run(client, experiment, f"{flow_run_id}/measure_drift") if report else None
    if parent and (url := run_url(experiment, parent.info.run_id)):
        links["MLflow run"] = url
    if (
        drift
        and (page := drift.data.tags.get("regrow.report"))
        and (url := run_url(experiment, drift.info.run_id))
    ):
        links["report"] = f"{url}/artifacts/{page}"
    return links


def announce(
    project: Project,
    kind: Kind,
    reason: str,
    *,
    about: str = "",
    key: str = "",
    severity: Severity | None = None,
    figures: Mapping[str, Figure] | None = None,
    as_of: datetime | None = None,
    causes: tuple[Subject, ...] = (),
    acts: Literal["", "retraining", "person"] = "",
    run: str | None = None,
    trigger: str = "",
) -> Event:
    """Announce that *kind* happened to the model of *project* in the flow run that is running, and return the event.

    A run that is retried tells it once: the event's id is made of the kind, the model and *key*; default: the flow
    run and what the event is *about*.
    """
    settings, (flow_run, started) = load_settings(), _current_run()
    made = Event(
        id=event_id(kind, project.name, key or f"{flow_run}/{about}"),
        kind=kind,
        severity=severity or MEANINGS[kind].severity,
        at=datetime.now(UTC),
        model=project.name,
        about=about,
        reason=reason,
        figures=dict(figures or {}),
        links=_links(project.name, flow_run, report=kind in {"alarm", "drift.found"}),
        cause=flow_run or project.name,
        config=str(project.path),
        as_of=as_of,
        trigger=trigger or started,
        flow_run=flow_run,
        run=run,
        causes=causes,
        acts=acts,
    )
    # A command that moves a model needs no Prefect, and does not wait for one that is away.
    answers = flow_run is not None or why_silent(f"{settings.prefect_api_url}/health", timeout=2) is None
    emit(made, project, later=not answers)
    return made


def announce_move(project: Project, move: Move) -> None:
    """Announce what *move* did to a version; what begins, pauses or takes a rollout further is told by nobody."""
    kind = OF_MOVES.get(move.kind)
    if move.kind == "finish":
        kind = "version.promoted" if move.state.champion == move.version else "version.refused"
    if kind is None:
        return
    figures: dict[str, Figure] = {"champion": move.state.champion or 0, "champion before": move.before or 0}
    announce(
        project,
        kind,
        move.reason,
        about=f"version {move.version}",
        key=move.id,
        figures=figures,
        as_of=move.as_of,
        trigger="" if flow_run_of(move.actor) else move.actor,
    )


def announce_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Announce that *flow_run* failed or crashed: a hook of every flow."""
    config = Path(str(flow_run.parameters.get("config", "")))
    project: Project | None = None
    with suppress(ProjectError):
        # A file that was not deployed is code that a stranger may have chosen: it is not loaded here either.
        known = config.name and (flow_run.deployment_id is None or is_deployed(config))
        project = load_project(config) if known else None
    error = None if state.is_crashed() else state.result(raise_on_failure=False)
    identifier = str(flow_run.id)
    _tell_failure(
        project,
        flow.name,
        identifier,
        _why(error, state),
        cause_of(error, identifier),
        started_by(flow_run),
        config,
    )


def announce_missed(project: Project, flow: str, reason: str, due: Collection[datetime]) -> None:
    """Announce that *flow* was *due* at some moments and has not done them."""
    first, last = min(due), max(due)
    announce(
        project,
        "schedule.missed",
        reason,
        about=flow,
        key=f"{flow}/{first.isoformat()}/{last.isoformat()}",
        figures={"missed": len(due)},
        as_of=last,
        trigger=BY_SCHEDULE,
    )


def announce_death(project: Project, run: Run) -> None:
    """Announce that the process of the flow run whose MLflow run is *run* died, unless a hook has told it."""
    tags = run.data.tags
    reason = "its process was killed, or the machine went down; run it again"
    flow_run = tags[FLOW_RUN]
    _tell_failure(
        project, tags[FLOW], flow_run, reason, flow_run, tags.get("regrow.trigger", ""), project.path
    )


def _tell_failure(
    project: Project | None, flow: str, flow_run: str, reason: str, cause: str, trigger: str, config: Path
) -> None:
    """Announce that *flow_run* failed; without a *project* its file is what is wrong, or it has none."""
    kind: Kind = "training.failed" if flow in TRAININGS else "run.failed"
    name = project.name if project else None
    told = Event(
        id=event_id(kind, name, f"{flow_run}/{flow}"),
        kind=kind,
        severity=MEANINGS[kind].severity,
        at=datetime.now(UTC),
        model=name,
        about=flow if name or not config.name else f"{flow} of {config.name}",
        reason=reason,
        links=_links(name, flow_run),
        cause=cause,
        config=str(config) if config.name else None,
        trigger=trigger,
        flow_run=flow_run,
    )
    emit(told, project)


def started_by(flow_run: FlowRun) -> str:
    """Return who or what started *flow_run*: its trigger, or the person."""
    trigger = str(flow_run.parameters.get("trigger") or "manual")
    if trigger != "manual":
        return trigger
    return (
        "a person, in Prefect" if flow_run.deployment_id else f"{getpass.getuser()} at {socket.gethostname()}"
    )


def cause_of(error: object, flow_run: str) -> str:
    """Return what the failures of several runs have in common: what is away; else it is the run's own."""
    if isinstance(error, BaseException) and may_pass(error):
        return f"outage: {type(error).__name__}: {_first_line(error)}"
    return flow_run


def _why(error: object, state: State[Any]) -> str:
    """Return why the run that ended in *state* failed."""
    if isinstance(error, BaseException):
        named = "" if isinstance(error, RegrowError) else f"{type(error).__name__}: "
        return f"{named}{error}"
    return state.message or state.name or "it ended without a reason"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]


def _current_run() -> tuple[str | None, str]:
    """Return the id of the flow run that is running, and what started it."""
    context, task = FlowRunContext.get(), TaskRunContext.get()
    if context is not None and context.flow_run is not None:
        return str(context.flow_run.id), started_by(context.flow_run)
    if task is not None and task.task_run.flow_run_id is not None:
        return str(task.task_run.flow_run_id), ""
    return None, ""


def _links(model: str | None, flow_run: str | None, report: bool = False) -> dict[str, str]:
    """Return the pages of *flow_run*; if MLflow does not answer, Prefect's alone."""
    settings = load_settings()
    if flow_run is None:
        return {}
    if model is not None:
        try:
            return find_links(settings, model, flow_run, report)
        except (RegrowError, MlflowException):
            pass
    return {"Prefect run": f"{settings.prefect_ui_url}/runs/flow-run/{flow_run}"}
