"""Remove MLflow runs that decided nothing and are old."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from mlflow import MlflowClient
from mlflow.entities import Run
from prefect import task

from regrow import registry
from regrow.data.tidying import Room
from regrow.lineage import FLOW_RUN, failed_by_outage
from regrow.lineage.needed import Needed, needed_of
from regrow.lineage.removal import remove_run
from regrow.lineage.runs import FLOW, SUSPENDED, runs_of
from regrow.models.results import Removed
from regrow.project import Retention

NEWEST = 20
"""Runs of each flow that stay whatever their age: status shows them, and scoring goes on after the last one."""
MADE_A_VERSION = frozenset({"promote", "deploy"})
OPEN = frozenset({"RUNNING", SUSPENDED})


def kept_for(tags: Mapping[str, str], status: str, retention: Retention, needed: Needed) -> timedelta | None:
    """Return how long the flow run with *tags* that MLflow gives *status* is kept; None: for ever."""
    decision = tags.get("regrow.verdict.decision")
    isneeded = tags.get(FLOW_RUN) in needed.flow_runs or decision in MADE_A_VERSION
    if isneeded or status in OPEN or (needed.rollout and tags.get("regrow.rollout") == needed.rollout):
        return None
    alarmed = tags.get(FLOW) == "monitor" and tags.get("regrow.verdict") == "fail"
    return retention.verdicts if alarmed or decision == "retrain" else retention.runs


def due_runs(runs: Iterable[Run], retention: Retention, needed: Needed, as_of: datetime) -> list[Run]:
    """Return those of *runs*, parents of flow runs, newest first, that may go at *as_of*."""
    seen: dict[str, int] = {}
    due = []
    for run in runs:
        tags = run.data.tags
        flow = tags.get(FLOW, "")
        seen[flow] = seen.get(flow, 0) + 1
        kept = kept_for(tags, run.info.status, retention, needed)
        age = as_of.timestamp() - run.info.start_time / 1000
        if kept is not None and seen[flow] > NEWEST and age > kept.total_seconds():
            due.append(run)
    return due


def tidy_experiment(
    client: MlflowClient, name: str, retention: Retention, as_of: datetime, dry_run: bool
) -> Room:
    """Remove the runs of the model *name* that may go at *as_of*."""
    with registry.reaching(f"runs of {name}"):
        runs = list(runs_of(client, name, f"tags.`{FLOW}` LIKE '%'", newest_first=True))
    room = Room()
    due = due_runs(runs, retention, needed_of(client, name), as_of)
    for run in reversed(due):
        room += remove_run(client, run, dry_run)
    return room


@task(retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=failed_by_outage)
def tidy_runs(rules: dict[str, Retention], as_of: datetime, dry_run: bool) -> tuple[Removed, ...]:
    """Remove old runs of each model in *rules*, what it keeps by name."""
    client, removed = registry.connect(), []
    for name, retention in sorted(rules.items()):
        room = tidy_experiment(client, name, retention, as_of, dry_run)
        removed.append(Removed.made("runs", room, name))
    return tuple(removed)
