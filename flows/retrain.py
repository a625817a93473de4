"""Train a model again if its policy wants it, or record why not."""

from datetime import datetime
from pathlib import Path

from prefect import flow

from flows.train import train_steps
from regrow.base.verdict import Subject, Verdict
from regrow.lineage import announce_failure, flow_run, open_project, turn_to_train
from tasks.await_start import await_start
from tasks.decide_retraining import decide_retraining
from tasks.find_champion import find_champion


@flow(
    name="retrain",
    flow_run_name="retrain-{config.stem}",
    on_failure=[announce_failure],
    on_crashed=[announce_failure],
)
def retrain(
    config: Path,
    as_of: datetime | None = None,
    trigger: str = "manual",
    reason: str = "",
    causes: tuple[Subject, ...] = (),
    force: bool = False,
    override: str = "",
) -> Verdict:
    """Ask the retraining policy, then train, judge and promote or refuse the successor.

    Args:
        config: The model's project file.
        as_of: The moment that the run pretends is now (UTC); empty: now. The champion is the one of that moment.
        trigger: What started the run: `manual`, `schedule` or `alarm`.
        reason: Why, in words: the alarm's reason.
        causes: What the alarm is about. Broken data (`quality`) is declined: a person mends the feed.
        force: Train even if the policy declines; its findings are kept all the same.
        override: Why, and for whom, the gates of the successor are waived; empty: they are not.

    """
    project = open_project(config)
    with turn_to_train(project), flow_run(project, trigger, as_of) as run:
        if awaited := await_start(project, trigger, run.as_of, "retrain"):
            run.verdict(awaited)
            return awaited
        champion = find_champion(project, run.as_of)
        decision = decide_retraining(
            project, champion, trigger, run.as_of, reason=reason, causes=causes, force=force
        )
        run.verdict(decision)
        return train_steps(project, run, override) if decision.passed else decision
