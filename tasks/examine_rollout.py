"""Decide from live traffic what becomes of the open rollout."""

import json
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from regrow import registry
from regrow.base.errors import RegistryError
from regrow.base.verdict import Finding, Verdict
from regrow.data.joining import join_labels, read_labels_of
from regrow.data.predictions import CHALLENGER, CHAMPION, SHADOW
from regrow.data.rollouts import read_rollout
from regrow.decisions.hold_back import find_judged
from regrow.decisions.rollout.analysis import analyse, conclude_ab
from regrow.decisions.rollout.evidence import Answers, Evidence
from regrow.decisions.rollout.logged import (
    answers_of,
    asked_of_challenger,
    asked_of_champion,
    fell_back,
    make_pairs,
    measure_arm,
    measure_ratio,
    mirrored_rows,
)
from regrow.lineage import current, step
from regrow.models.metrics import Label
from regrow.models.predictions import fit_to
from regrow.models.results import ModelFacts
from regrow.project import Ab, Data, Project
from regrow.registry import Rollout, State

LAST_LOOK = "regrow.rollout.evidence"
"""Tag of the registered model: what the last look at its rollout saw."""


@dataclass(frozen=True)
class Gathered:
    """The evidence of a rollout's stage, and the rows from which an A/B comparison asks what each version answered."""

    evidence: Evidence
    rows: pd.DataFrame
    truth: pd.Series
    """The label of each prediction that has one, by its id."""
    facts: ModelFacts
    unfit: int = 0
    """Labels that are no class of the model, or no number for a regression: they are left out."""
    ambiguous: int = 0
    """Labels of an entity that recurs, which do not tell which of its rows they mean: they are left out."""
    acted_on: int = 0
    """Labels of rows that were not held back while others were: what was done for the answers may have changed them,
    so they are left out."""

    def answers(self, role: str, data: Data, as_of: datetime) -> Answers:
        """Set what *role* answered in the whole rollout, on units of *data* that were over, beside what came true.

        What the champion answered because the challenger had failed counts as the challenger's failure.
        """
        if role == CHALLENGER:
            rows = asked_of_challenger(self.rows, shadow=False)
            said = zip(fell_back(rows), rows["prediction"], strict=True)
            own = pd.Series([None if lost else value for lost, value in said], rows.index, object)
            rows = rows.assign(prediction=own)
        else:
            rows = asked_of_champion(self.rows)
        return replace(
            answers_of(rows, self.truth, self.facts, data, as_of),
            threshold=self.evidence.pairs.thresholds[role == CHALLENGER],
        )


def gather(
    project: Project,
    rollout: Rollout,
    facts: ModelFacts,
    as_of: datetime,
    challenger: ModelFacts | None = None,
) -> Gathered:
    """Gather what *rollout* has shown, with the labels known at *as_of*; *facts* are the champion's."""
    rows = read_rollout(project.name, rollout.id)
    answers = rows[rows["role"] != SHADOW]
    labels = read_labels_of(project.name, answers, project.data, as_of)
    joined = join_labels(project.name, answers, labels, project.data)
    fit, judged = fit_to(joined.rows["label"], facts), find_judged(answers).loc[joined.rows.index]
    truth = joined.rows[fit & judged].set_index("prediction_id")["label"]
    stage = rows[rows["stage"] == rollout.stage]
    of_challenger = asked_of_challenger(stage, shadow=rollout.current.weight == 0)
    of_champion = asked_of_champion(stage)
    thresholds = facts.threshold, challenger.threshold if challenger else None
    paired = mirrored_rows(rows, rollout.id, rollout.plan.mirror)
    pairs = replace(make_pairs(paired, truth, facts, project.data, as_of), thresholds=thresholds)
    ratio = measure_ratio(stage, rollout.current.weight)
    seen = Evidence(measure_arm(of_champion), measure_arm(of_challenger), pairs, ratio)
    return Gathered(
        seen, rows, truth, facts, int((~fit).sum()), joined.ambiguous, acted_on=int((fit & ~judged).sum())
    )


def judge(
    project: Project, rollout: Rollout, found: Gathered, classes: tuple[Label, ...], as_of: datetime
) -> Verdict:
    """Decide on *rollout* by what was *found*; one that is paused may be rolled back, but goes no further."""
    primary, plan = project.evaluation.primary, rollout.plan
    if isinstance(plan, Ab):
        champion, challenger = (found.answers(role, project.data, as_of) for role in (CHAMPION, CHALLENGER))
        verdict = conclude_ab(plan, champion, challenger, found.evidence, primary, classes)
    else:
        verdict = analyse(plan, rollout.stage, found.evidence, as_of - rollout.since, primary, classes)
    verdict = tell_acted_on(verdict, found.acted_on)
    if not rollout.paused or verdict.outcome in {"hold", "roll back"}:
        return verdict
    paused = Finding(
        rule="the rollout is not paused", result="fail", detail="paused until somebody resumes it"
    )
    would = f"paused; it would {verdict.outcome}: {verdict.reason}"
    return verdict.refused(would, paused, outcome="hold")


def tell_acted_on(verdict: Verdict, labels: int) -> Verdict:
    """Add to the reason of *verdict* how many *labels* were left out because their rows were not held back."""
    if not labels:
        return verdict
    left_out = (
        f"{labels} labels of rows that were not held back are left out: the answers may have changed them"
    )
    return Verdict.model_validate(dict(verdict) | {"reason": f"{verdict.reason}; {left_out}"})


def figures(found: Gathered, verdict: Verdict) -> dict[str, float]:
    """Name the figures of a look: rows, failures, labels, and what each rule measured."""
    evidence = found.evidence
    counts = {
        "champion.rows": evidence.champion.rows,
        "champion.requests": evidence.champion.requests,
        "champion.failures": evidence.champion.failures,
        "challenger.rows": evidence.challenger.rows,
        "challenger.requests": evidence.challenger.requests,
        "challenger.failures": evidence.challenger.failures,
        "pairs": len(evidence.pairs.labelled),
        "pairs.labelled": int(evidence.pairs.labelled.sum()),
        "labels.unfit": found.unfit,
        "labels.ambiguous": found.ambiguous,
        "labels.acted_on": found.acted_on,
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
    challenger = None if seen.challenger is None else registry.version(project.name, seen.challenger).facts
    found = gather(project, rollout, facts, as_of, challenger)
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
    run.client.set_registered_model_tag(project.name, LAST_LOOK, evidence[:5000])
    return verdict
