"""The retraining policy: trigger, cooldown, budget, and enough to learn from."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from regrow.decisions.alarm import BROKEN_DATA
from regrow.project import Retraining, format_duration
from regrow.verdict import Finding, Subject, Verdict, pass_if

DAY = timedelta(days=1)
BUDGET = "at most"
"""How the rule of the budget begins, and no other."""


def judge_retraining(
    rule: Retraining,
    trigger: str,
    as_of: datetime,
    past: Sequence[datetime],
    new_labels: int,
    *,
    causes: Collection[Subject] = (),
    force: bool = False,
) -> Verdict:
    """Decide at *as_of* whether to train again, given the moments of *past* retrainings.

    *new_labels* counts the labelled rows that the champion was not trained on. *causes* are what the alarm that
    started the run was about. *force* trains against the findings, which the verdict keeps.
    """
    findings = (
        _judge_trigger(rule, trigger),
        _judge_causes(causes),
        _judge_cooldown(rule, as_of, past),
        _judge_budget(rule, as_of, past),
        _judge_labels(rule, new_labels),
    )
    against = "; ".join(finding.detail for finding in findings if finding.failed)
    if not against:
        reason = f"{trigger}: {new_labels} new labelled rows"
    elif force:
        reason = f"forced ({trigger}), against: {against}"
    else:
        reason = f"declined ({trigger}): {against}"
    return Verdict(decision="retrain", result=pass_if(force or not against), reason=reason, findings=findings)


def _judge_trigger(rule: Retraining, trigger: str) -> Finding:
    """Ask whether the project file lets this *trigger* start a retraining."""
    passed = trigger != "alarm" or rule.on_alarm
    return Finding(
        rule="an alarm may start a retraining",
        result=pass_if(passed),
        detail=f"triggered by {trigger}" if passed else "retraining.on_alarm is off",
    )


def _judge_causes(causes: Collection[Subject]) -> Finding:
    """Ask whether what started the run is something that can be learnt.

    The automation starts no retraining for broken data; this holds however else the run was started.
    """
    broken = BROKEN_DATA in causes
    if broken:
        told = "the data is broken: a person mends the feed or, if it is right, forces the retraining"
    else:
        told = f"asked because of {', '.join(causes)}" if causes else "no alarm asked for it"
    return Finding(rule="nothing is learnt from broken data", result=pass_if(not broken), detail=told)


def _judge_cooldown(rule: Retraining, as_of: datetime, past: Sequence[datetime]) -> Finding:
    """Ask whether the last retraining is long enough ago."""
    asked = f"at least {format_duration(rule.cooldown)} since the last retraining"
    earlier = [moment for moment in past if moment <= as_of]
    if not earlier:
        return Finding(rule=asked, result="pass", detail="no retraining before")
    last = max(earlier)
    return Finding(
        rule=asked,
        result=pass_if(as_of - last >= rule.cooldown),
        figure=(as_of - last) / DAY,
        limit=rule.cooldown / DAY,
        detail=f"last retraining {last:%Y-%m-%d %H:%M}, cooldown {format_duration(rule.cooldown)}",
    )


def _judge_budget(rule: Retraining, as_of: datetime, past: Sequence[datetime]) -> Finding:
    """Ask whether the period's budget has a run left."""
    spent = sum(as_of - rule.budget.period < moment <= as_of for moment in past)
    period = format_duration(rule.budget.period)
    return Finding(
        rule=f"{BUDGET} {rule.budget.runs} retrainings in {period}",
        result=pass_if(spent < rule.budget.runs),
        figure=spent,
        limit=rule.budget.runs,
        detail=f"{spent} of {rule.budget.runs} retrainings in the last {period}",
    )


def _judge_labels(rule: Retraining, new_labels: int) -> Finding:
    """Ask whether there is enough that the champion has not seen."""
    return Finding(
        rule=f"at least {rule.least_labels} new labelled rows",
        result=pass_if(new_labels >= rule.least_labels),
        figure=new_labels,
        limit=rule.least_labels,
        rows=new_labels,
        detail=f"{new_labels} of {rule.least_labels} new labelled rows",
    )
