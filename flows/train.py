"""Train a challenger, and let it take over if it passes every gate: at once, or by a rollout."""

from datetime import datetime
from pathlib import Path

from prefect import flow

from regrow.base.verdict import Verdict
from regrow.lineage import FlowRecord, announce, announce_failure, flow_run, open_project, turn_to_train
from regrow.notifications.event import numbers
from regrow.project import Project
from tasks.collect_labels import collect_labels
from tasks.deploy import deploy
from tasks.evaluate import evaluate
from tasks.find_champion_to_beat import find_champion_to_beat
from tasks.fit import fit
from tasks.ingest import ingest
from tasks.judge import judge
from tasks.refit import refit
from tasks.register import register, told_again
from tasks.split import split
from tasks.validate import validate


@flow(
    name="train",
    flow_run_name="train-{config.stem}",
    on_failure=[announce_failure],
    on_crashed=[announce_failure],
)
def train(
    config: Path, as_of: datetime | None = None, trigger: str = "manual", override: str = ""
) -> Verdict:
    """Take the model from raw data to a judged, registered version; promote it, start its rollout, or say why not.

    Args:
        config: The project file: the model's YAML file.
        as_of: The moment that the run pretends is now (UTC); empty: now. Rows and champions of later are not seen.
        trigger: Why the run was started; kept with the version.
        override: Why, and for whom, the gates are waived; empty: they are not. Each is measured and kept all the same.

    """
    project = open_project(config)
    with turn_to_train(project), flow_run(project, trigger, as_of) as run:
        return train_steps(project, run, override)


def train_steps(project: Project, run: FlowRecord, override: str = "") -> Verdict:
    """Run the steps of a training within the flow run of *run*."""
    announce(project, "training.started", f"on what was known at {run.as_of:%Y-%m-%d %H:%M} UTC")
    if project.data.source.kind == "log" or project.data.labels is not None:
        collect_labels(project, None, run.as_of)
    snapshot = ingest(project, run.as_of)
    validation = validate(project, snapshot)
    parts = split(project, validation.accepted)
    candidate = refit(project, parts, fit(project, parts))
    champion = find_champion_to_beat(project, candidate, run.as_of)
    evaluation = evaluate(project, candidate, champion.candidate, champion.number)
    version = register(project, evaluation, run.trigger, run.as_of.isoformat(), run.flow_run_id)
    verdict = judge(project, evaluation, override)
    deployed = deploy(project, version, verdict, run.actor, run.as_of, override)
    remarks = *validation.remarks, *parts.remarks, *told_again(version, run.flow_run_id)
    outcome = deployed.with_findings(*remarks)
    run.verdict(outcome)
    announce(project, "training.finished", outcome.reason, figures=numbers(evaluation.metrics))
    return outcome
