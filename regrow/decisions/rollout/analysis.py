"""Decide what becomes of a rollout: advance, hold or roll back; of an A/B comparison also who is better.

However often one looks, a challenger that breaks no limit is rolled back with probability 1 - confidence at most,
over all looks, rules and stages of its rollout (see docs/rollout-statistics.md).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

import numpy as np

from regrow.base.verdict import Finding, Outcome, Result, Verdict, count_units
from regrow.decisions.rollout.bounds import undecided
from regrow.decisions.rollout.evidence import Answers, Evidence
from regrow.decisions.rollout.gains import LEAST_WEIGHT, gain_bounds, units_of_both, unpaired_gain
from regrow.decisions.rollout.limits import judge_limits
from regrow.decisions.rollout.sample_ratio import judge_sample_ratio
from regrow.decisions.units import unit_fields
from regrow.models.metrics import Label
from regrow.project import Ab, Canary, Metric, Shadow, Stage, format_duration
from regrow.project.monitoring import LEAST_UNITS

Comparison = Literal["hold", "better", "worse", "no difference"]

RESULTS_OF: dict[Outcome, Result] = {
    "advance": "pass",
    "better": "pass",
    "hold": "undecided",
    "roll back": "fail",
    "worse": "fail",
    "no difference": "fail",
}
"""Whether the challenger goes further: while it holds there is too little to tell."""


def analyse(
    plan: Shadow | Canary,
    step: int,
    evidence: Evidence,
    elapsed: timedelta,
    metric: Metric,
    classes: Sequence[Label] = (),
) -> Verdict:
    """Decide on stage *step* of *plan* (0 is the first), which has lasted *elapsed*.

    *metric* is the project's primary one; *classes* are the champion's, in the order of the probabilities, empty for
    a regression. Roll back when a limit is proven broken, hold while the stage lacks rows, time or labels.
    A limit on which there is too little to tell stays undecided: it neither rolls back nor holds, for what a stage
    must have seen is what the plan asks of it, and the reason names it. A split that is proven broken holds: it is no
    fault of the challenger's, and what the two answered cannot be compared.
    """
    broken = judge_limits(
        plan.limits,
        evidence,
        metric,
        classes,
        stages=len(plan.stages),
        shadow=plan.stages[step].weight == 0,
    )
    split = _split(evidence, len(plan.stages))
    asked = _requirements(plan, plan.stages[step], evidence, elapsed)
    if failed := [finding.detail for finding in broken if finding.failed]:
        return _verdict("roll back", "; ".join(failed), (*broken, *split, *asked))
    torn = [finding for finding in split if finding.failed]
    if missing := [finding.detail for finding in (*torn, *asked) if not finding.passed]:
        return _verdict("hold", "; ".join(missing), (*split, *asked, *broken))
    reason = f"no limit broken, after {', '.join(finding.detail for finding in asked)}{_open(broken)}"
    return _verdict("advance", reason, (*asked, *split, *broken))


def conclude_ab(
    plan: Ab,
    champion: Answers,
    challenger: Answers,
    evidence: Evidence,
    metric: Metric,
    classes: Sequence[Label] = (),
) -> Verdict:
    """Decide whether *challenger* is better on the rows that each version answered; roll back if a limit broke.

    *metric* is the project's primary one, for a plan that names none. No difference: the whole interval lies within
    `smallest_difference`, or `greatest_rows` are spent. The metric's interval and the limits keep a confidence each.
    """
    broken = judge_limits(plan.limits, evidence, None, classes, mirrored=plan.mirror > 0)
    if failed := [finding.detail for finding in broken if finding.failed]:
        return _verdict("roll back", "; ".join(failed), broken)
    split = _split(evidence, 1)
    if torn := [finding.detail for finding in split if finding.failed]:
        return _verdict("hold", torn[0], (*split, *broken))
    outcome, finding = _compare(
        plan, champion.matured(), challenger.matured(), plan.metric or metric, classes
    )
    return _verdict(outcome, finding.detail, (finding, *split, *broken))


def _split(evidence: Evidence, stages: int) -> tuple[Finding, ...]:
    """Judge whom the challenger is asked for, unless that is nobody."""
    return () if evidence.ratio is None else (judge_sample_ratio(evidence.ratio, stages),)


def _open(limits: tuple[Finding, ...]) -> str:
    """Name those of *limits* that are undecided."""
    named = [f"{finding.rule} ({finding.detail})" for finding in limits if finding.undecided]
    return f"; undecided: {'; '.join(named)}" if named else ""


def _requirements(
    plan: Shadow | Canary, stage: Stage, evidence: Evidence, elapsed: timedelta
) -> tuple[Finding, ...]:
    """Compare what the *stage* of *plan* has with what it needs."""
    pairs, units = evidence.pairs, evidence.pairs.judged_units
    mine, labels = evidence.challenger.rows, int((pairs.labelled & pairs.both_answered).sum())
    labelled, whole = f"{plan.least_labels} labelled rows", count_units(plan.least_units, units.unit)
    of_units = {"rows": len(units.codes), **unit_fields(units)}
    asked = [
        ("rows of the challenger's", mine, stage.least_rows, f"{stage.least_rows} rows", {"rows": mine}),
        ("labelled rows that both scored", labels, plan.least_labels, labelled, {"rows": labels}),
        (f"whole units ({units.unit}) that both scored", units.count, plan.least_units, whole, of_units),
    ]
    found = tuple(
        Finding(
            rule=f"at least {least} {what}",
            result="pass" if have >= least else "undecided",
            figure=have,
            limit=least,
            detail=f"{have} of {wanted}",
            **of,
        )
        for what, have, least, wanted, of in asked
        if least
    )
    if not stage.least_time:
        return found
    time = Finding(
        rule=f"at least {write_time(stage.least_time)} in this stage",
        result="pass" if elapsed >= stage.least_time else "undecided",
        figure=elapsed.total_seconds(),
        limit=stage.least_time.total_seconds(),
        detail=f"{write_time(elapsed)} of {write_time(stage.least_time)}",
    )
    return (*found, time)


def _compare(
    plan: Ab, champion: Answers, challenger: Answers, metric: Metric, classes: Sequence[Label]
) -> tuple[Comparison, Finding]:
    """Hold the two arms' *metric* against one another, by the smaller arm's labelled rows."""
    spent = _spend(plan, champion, challenger)
    if spent is not None:
        champion, challenger = spent
    rows = min(len(champion.prediction), len(challenger.prediction))
    rule = f"{metric} better than the champion's, or no {plan.smallest_difference:g} apart"
    gain = unpaired_gain(metric, champion, challenger, classes)
    if not isinstance(gain, str) and gain.weight < LEAST_WEIGHT:
        gain = f"{gain.weight:.0f} of {LEAST_WEIGHT} rows that decide"
    if rows < plan.least_rows or isinstance(gain, str):
        missing = gain if isinstance(gain, str) else ""
        if rows < plan.least_rows:
            missing = f"{rows} of {plan.least_rows} labelled rows of each"
        elif spent:
            missing = f"{missing}, of the first {rows} rows of each"
        found = undecided(rule, rows, missing, units_of_both(champion, challenger))
        return "no difference" if spent else "hold", found
    interval = gain_bounds(gain, rows, (1 - plan.confidence) / 2, plan.least_rows, plan.greatest_rows)
    found = gain.estimate
    outcome, why = _conclude(plan, interval, rows)
    gained = f"{metric} gains {found.figure:+.4f} ({interval[0]:+.4f} to {interval[1]:+.4f})"
    return outcome, Finding(
        rule=rule,
        result=RESULTS_OF[outcome],
        figure=found.figure,
        limit=plan.smallest_difference,
        interval=interval,
        confidence=plan.confidence,
        rows=rows,
        effective_rows=found.effective,
        detail=f"{gained} on {found.counted}, of each of the two: {why}",
        **unit_fields(found.units),
    )


def _spend(plan: Ab, champion: Answers, challenger: Answers) -> tuple[Answers, Answers] | None:
    """Return the rows of both that count once `greatest_rows` of the smaller arm are there; None before.

    Those that came first, and of the other arm as great a part. Rows of fewer periods than an interval takes prove
    nothing, however many they are: then all rows of the first `LEAST_UNITS` periods count, and are waited for.
    """
    rows = min(len(champion.prediction), len(challenger.prediction))
    if rows < plan.greatest_rows:
        return None
    kept = [arm.first(plan.greatest_rows / rows) for arm in (champion, challenger)]
    units = units_of_both(champion, challenger)
    if units.ordered:
        if units.count < LEAST_UNITS:
            return None
        early = np.split(units.codes < LEAST_UNITS, [len(kept[0])])
        kept = [first | part for first, part in zip(kept, early, strict=True)]
    return champion.take(kept[0]), challenger.take(kept[1])


def _conclude(plan: Ab, interval: tuple[float, float], rows: int) -> tuple[Comparison, str]:
    """Return what the *interval* of the gain proves."""
    low, high = interval
    least = plan.smallest_difference
    if -least < low and high < least:
        return "no difference", f"no difference of {least:g} or more"
    if low > 0:
        return "better", "better"
    if high < 0:
        return "worse", "worse"
    if rows >= plan.greatest_rows:
        return "no difference", f"none proven within {plan.greatest_rows} rows"
    return "hold", f"open, until {plan.greatest_rows} rows"


def _verdict(outcome: Outcome, reason: str, findings: tuple[Finding, ...]) -> Verdict:
    return Verdict(
        decision="rollout", result=RESULTS_OF[outcome], reason=reason, findings=findings, outcome=outcome
    )


def write_time(time: timedelta) -> str:
    """Write *time* as a person would: whole minutes, or whole seconds below one."""
    seconds = int(time.total_seconds())
    whole = timedelta(seconds=seconds - seconds % 60 if seconds >= 60 else seconds)
    return format_duration(whole) if whole else "0s"
