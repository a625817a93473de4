"""Every model at a glance: who serves, what ran last, what runs next. A server that is away leaves its part unknown."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from pydantic import BaseModel, ConfigDict

from regrow import registry
from regrow.base.errors import Unreachable
from regrow.base.reach import why_silent
from regrow.base.settings import Settings
from regrow.data.labels import newest_label
from regrow.data.times import as_utc
from regrow.lineage.pages import all_deployments, all_flow_runs, flow_of
from regrow.lineage.runs import FLOW
from regrow.registry.connection import registered_models
from regrow.registry.ledger import LEDGER_RUN

TRAININGS, MONITORINGS = ("train", "retrain"), ("monitor",)
DECLINED = "retrain"
"""The decision of a retraining that did not train."""


class _Known(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LastRun(_Known):
    """A flow run that ended, or is at work: when it began, what MLflow calls its state, and its verdict."""

    flow: str
    began: datetime
    state: str
    result: str | None
    """`pass`, `fail` or `undecided`; None if it came to no verdict."""
    reason: str


class ModelStatus(_Known):
    """What is known of one model; a part of which the server is away is None or empty."""

    name: str
    champion: int | None = None
    since: datetime | None = None
    """When the champion became it."""
    challenger: int | None = None
    rollout: str | None = None
    """The stage of the open rollout, in words."""
    training: LastRun | None = None
    monitoring: LastRun | None = None
    newest_label: datetime | None = None
    """When the truth of the newest label was known."""
    next_runs: dict[str, datetime] = {}
    """The next scheduled run of each flow."""


class Status(_Known):
    """What is known of every model, and what is not known because a server is away."""

    models: tuple[ModelStatus, ...]
    away: tuple[str, ...]


def read_status(settings: Settings, names: Iterable[str]) -> Status:
    """Return what is known of the models called *names*, and of all others that were ever promoted.

    Raises nothing if a server is away: what it would know is left out, and said.
    """
    away: list[str] = []
    try:
        client: MlflowClient | None = registry.connect()
    except Unreachable as error:
        client = None
        away.append(f"{error}: champions, rollouts, trainings and monitoring are not known")
    promoted = _promoted(client) if client else []
    next_runs: dict[str, dict[str, datetime]] = {}
    if silence := why_silent(f"{settings.prefect_api_url}/health"):
        away.append(
            f"Prefect does not answer at {settings.prefect_api_url} ({silence}); start it with `regrow up`: "
            "the next runs are not known"
        )
    else:
        with get_client(sync_client=True) as prefect:
            next_runs = read_next_runs(prefect)
    models = [_model(name, client, next_runs.get(name, {})) for name in sorted({*names, *promoted})]
    return Status(models=tuple(models), away=tuple(away))


def _promoted(client: MlflowClient) -> list[str]:
    """Return the names of the registered models that have a ledger."""
    with registry.reaching("the registered models"):
        return [model.name for model in registered_models(client) if LEDGER_RUN in model.tags]


def _model(name: str, client: MlflowClient | None, next_runs: dict[str, datetime]) -> ModelStatus:
    """Return what is known of the model *name*."""
    local: dict[str, Any] = {"name": name, "newest_label": newest_label(name), "next_runs": next_runs}
    if client is None:
        return ModelStatus(**local)
    moves = registry.ledger(name)
    state = moves.state
    since = (
        max((move.at for move in moves.promotions_of(state.champion)), default=None)
        if state.champion
        else None
    )
    return ModelStatus(
        **local,
        champion=state.champion,
        since=since,
        challenger=state.challenger,
        rollout=describe_stage(state.rollout) if state.rollout else None,
        training=_last_run(client, name, TRAININGS),
        monitoring=_last_run(client, name, MONITORINGS),
    )


def describe_stage(rollout: registry.Rollout) -> str:
    """Return in words how far *rollout* has come."""
    weight = rollout.current.weight
    share = f"answers {weight:.0%}" if weight else "shadow"
    paused = ", paused" if rollout.paused else ""
    return f"stage {rollout.stage + 1} of {len(rollout.plan.stages)}, {share}{paused}"


def _last_run(client: MlflowClient, name: str, flows: Sequence[str]) -> LastRun | None:
    """Return the newest run of one of *flows* for the model *name*; a retraining that was declined is none."""
    with registry.reaching(f"runs of {name}"):
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return None
        newest = [
            run
            for flow in flows
            for run in client.search_runs(
                [experiment.experiment_id],
                f"tags.`{FLOW}` = '{flow}'",
                max_results=20,
                order_by=["attributes.start_time DESC"],
            )
            if run.data.tags.get("regrow.verdict.decision") != DECLINED
        ]
    return max(map(_read_run, newest), key=lambda run: run.began, default=None)


def _read_run(run: Run) -> LastRun:
    """Read what a flow run left of itself in MLflow."""
    tags = run.data.tags
    return LastRun(
        flow=tags[FLOW],
        began=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        state=run.info.status.lower(),
        result=tags.get("regrow.verdict"),
        reason=tags.get("regrow.verdict.reason") or tags.get("regrow.error", ""),
    )


def read_next_runs(client: SyncPrefectClient) -> dict[str, dict[str, datetime]]:
    """Return the next scheduled run of each flow, by model."""
    deployments = {found.id: found for found in all_deployments(client)}
    found: dict[str, dict[str, datetime]] = {}
    for run in all_flow_runs(client, StateType.SCHEDULED):
        deployment = deployments.get(run.deployment_id) if run.deployment_id else None
        if deployment is not None and run.expected_start_time is not None:
            flow, due = flow_of(deployment), as_utc(run.expected_start_time)
            of_model = found.setdefault(deployment.name, {})
            of_model[flow] = min(due, of_model.get(flow, due))
    return found
