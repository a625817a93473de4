"""Decide from live traffic what becomes of the open rollout."""

import json
from datetime import datetime

from regrow import registry
from regrow.data.predictions import CHALLENGER, CHAMPION
from regrow.decisions.rollout.analysis import analyse, conclude_ab
from regrow.errors import RegistryError
from regrow.evidence import Gathered, gather
from regrow.lineage import current, step
from regrow.models.metrics import Label
from regrow.project import Ab, Project
from regrow.registry import Rollout, State
from regrow.verdict import Finding, Verdict

EVIDENCE = "regrow.rollout.evidence"
"""Tag of the registered model: what the last look at its rollout saw."""


def judge(
    project: Project, rollout: Rollout, found: Gathered, classes: tuple[Label, ...], as_of: datetime
) -> Verdict:
    """Decide on *rollout* by what was *found*; one that is paused may be rolled back, but goes no further."""
    primary, plan = project.evaluation.primary, rollout.plan
    if isinstance(plan, Ab):
        answers = found.answers(CHAMPION), found.answers(CHALLENGER)
        verdict = conclude_ab(plan, *answers, found.evidence, primary, classes)
    else:
        verdict = analyse(plan, rollout.stage, found.evidence, as_of - rollout.since, primary, classes)
    if not rollout.paused or verdict.outcome in {"hold", "roll back"}:
        return verdict
    paused = Finding(
        rule="the rollout is not paused", result="fail", detail="paused until somebody resumes it"
    )
    would = f"paused; it would {verdict.outcome}: {verdict.reason}"
    return verdict.refused(would, paused, outcome="hold")


def figures(found: Gathered, verdict: Verdict) -> dict[str, float]:
    """Name the figures of a look: rows, failures, labels, and what each rule measured."""
    evidence = found.evidence
    counts = {
        "champion.rows": evidence.champion.rows,
        "champion.failures": evidence.champion.failures,
        "challenger.rows": evidence.challenger.rows,
        "challenger.failures": evidence.challenger.failures,
        "pairs": len(evidence.pairs.labelled),
        "pairs.labelled": int(evidence.pairs.labelled.sum()),
    }
    measured = {
        _metric_name(finding.rule): finding.figure
        for finding in verdict.findings
        if finding.figure is not None
    }
    return {name: float(value) for name, value in {**measured, **counts}.items()}


def _metric_name(rule: str) -> str:
    """Keep of *rule* what MLflow allows in the name of a metric."""
    return "".join(letter if letter.isalnum() or letter in "._-/ " else "_" for letter in rule)[:200]


@step(retries=2, retry_delay_seconds=[5, 30])
def examine_rollout(project: Project, seen: State, as_of: datetime) -> Verdict:
    """Look at the rollout in *seen* with the labels known at *as_of*, and keep what was seen beside the model."""
    if seen.rollout is None or seen.champion is None:
        raise RegistryError(f"{project.name}: no rollout is open")
    run, rollout = current(), seen.rollout
    facts = registry.version(project.name, seen.champion).facts
    found = gather(project.name, rollout, facts, as_of)
    verdict = judge(project, rollout, found, facts.classes, as_of)
    measured = figures(found, verdict)
    run.tag(rollout=rollout.id, stage=rollout.stage)
    run.log_metrics(measured)
    run.verdict(verdict)
    look = {
        "rollout": rollout.id,
        "stage": rollout.stage,
        "as_of": as_of.isoformat(),
        "outcome": verdict.outcome,
    }
    evidence = json.dumps({**look, "reason": verdict.reason[:1500], "figures": measured})
    run.client.set_registered_model_tag(project.name, EVIDENCE, evidence[:5000])
    return verdict
