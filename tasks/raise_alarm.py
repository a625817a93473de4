"""Emit the event that a model needs attention."""

from datetime import datetime

from regrow.base.verdict import Verdict
from regrow.decisions.alarm import causes_of, who_acts
from regrow.lineage import announce, current, step
from regrow.notifications.event import figures_of
from regrow.project import Project


@step(retries=2, retry_delay_seconds=[5, 30])
def raise_alarm(project: Project, verdict: Verdict, as_of: datetime, verdict_run: str) -> None:
    """Announce what failed; an automation answers the event with a retraining if it is for one.

    A retried or repeated run at the same *as_of* emits the same event, which counts once. *verdict_run* is the MLflow
    run that keeps the whole verdict.
    """
    causes = causes_of(verdict)
    acts = who_acts(causes, project.retraining.on_alarm)
    told = announce(
        project,
        "alarm",
        verdict.reason,
        about=", ".join(causes),
        key=as_of.isoformat(),
        severity="error" if acts == "person" else "warning",
        figures=figures_of(Verdict.model_validate(dict(verdict) | {"findings": verdict.failures})),
        as_of=as_of,
        causes=causes,
        acts=acts,
        run=verdict_run,
    )
    current().tag(alarm=told.id, reason=verdict.reason, causes=told.about, acts=acts)
