"""The retraining policy: a reason, cooldown, budget, enough to learn from, and an end of what leads nowhere."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from regrow.base.verdict import Finding, Subject, Verdict, count_units, pass_if
from regrow.decisions.alarm import BROKEN_DATA
from regrow.project import Kind, Retraining, Unit, format_duration

DAY = timedelta(days=1)
BUDGET, AGE, BREAKER = "at most", "a champion older than", "fewer than"
"""How the rules of the budget, the age and the breaker begin, and no others."""


@dataclass(frozen=True)
class Situation:
    """What the policy is asked about, as of one moment."""

    past: Sequence[datetime] = ()
    """The moments of past retrainings."""
    new_labels: int = 0
    """Labelled rows that the champion was not trained on."""
    new_units: int = 0
    """Units (`data.unit`) that they lie on."""
    trained: datetime | None = None
    """The moment as of which the champion was trained; None: not known."""
    windows: Sequence[bool] = ()
    """Whether there was an alarm, of each watched window, the newest first."""
    challenger: int | None = None
    """The version whose rollout is open."""
    refused: Sequence[int] = ()
    """The challengers that were refused or rolled back in a row, the newest first."""
    unit: Unit = "row"


def judge_retraining(
    rule: Retraining,
    trigger: str,
    as_of: datetime,
    seen: Situation,
    *,
    causes: Collection[Subject] = (),
    force: bool = False,
) -> Verdict:
    """Decide at *as_of* whether to train again, by what was *seen*.

    *causes* are what the alarm that started the run was about. *force* trains against the findings, which the verdict
    keeps.
    """
    findings = (
        _judge_trigger(rule, trigger),
        _judge_causes(causes),
        *_judge_reason(rule, trigger, as_of, seen),
        _judge_cooldown(rule, as_of, seen.past),
        _judge_budget(rule, as_of, seen.past),
        *_judge_labels(rule, seen),
        *_judge_rollout(rule, seen),
        _judge_breaker(rule, seen),
    )
    against = "; ".join(finding.detail for finding in findings if finding.failed)
    if not against:
        reason = f"{trigger}: {seen.new_labels} new labelled rows"
    elif force:
        reason = f"forced ({trigger}), against: {against}"
    else:
        reason = f"declined ({trigger}): {against}"
    return Verdict(decision="retrain", result=pass_if(force or not against), reason=reason, findings=findings)


def event_of(verdict: Verdict) -> Kind | None:
    """Return the kind of event by which a retraining that *verdict* declines is told; None if nobody needs to know.

    That a champion is not old enough yet is found each day, and is nobody's business.
    """
    rules = [finding.rule for finding in verdict.failures]
    if any(rule.startswith(BREAKER) for rule in rules):
        return "breaker.open"
    if any(rule.startswith(BUDGET) for rule in rules):
        return "retraining.budget-spent"
    return None if all(rule.startswith(AGE) for rule in rules) else "retraining.declined"


def _judge_reason(rule: Retraining, trigger: str, as_of: datetime, seen: Situation) -> Iterator[Finding]:
    """Ask whether a schedule finds the champion old enough, and an alarm was raised often enough."""
    if trigger == "schedule" and rule.age is not None:
        age = None if seen.trained is None else as_of - seen.trained
        told = "its age is not known" if age is None else f"{age / DAY:.1f} days old"
        yield Finding(
            rule=f"{AGE} {format_duration(rule.age)}",
            result=pass_if(age is None or age >= rule.age),
            figure=None if age is None else age / DAY,
            limit=rule.age / DAY,
            detail=f"the champion is {told}, {format_duration(rule.age)} is asked",
        )
    if trigger == "alarm" and rule.alarms.of > 1:
        count = sum(seen.windows[: rule.alarms.of])
        yield Finding(
            rule=f"an alarm in at least {rule.alarms.least} of the last {rule.alarms.of} windows",
            result=pass_if(count >= rule.alarms.least),
            figure=count,
            limit=rule.alarms.least,
            detail=f"an alarm in {count} of the last {min(len(seen.windows), rule.alarms.of)} windows, "
            f"{rule.alarms.least} of {rule.alarms.of} are asked",
        )


def _judge_rollout(rule: Retraining, seen: Situation) -> Iterator[Finding]:
    """Ask whether a rollout is open that a new challenger would end before it has told anything."""
    if seen.challenger is not None:
        yield Finding(
            rule="no rollout is open" if not rule.supersede else "an open rollout may be superseded",
            result=pass_if(rule.supersede),
            detail=f"the rollout of version {seen.challenger} is open",
        )


def _judge_breaker(rule: Retraining, seen: Situation) -> Finding:
    """Ask whether the last challengers all led nowhere: more of the same would too, and a person is asked."""
    count = len(seen.refused)
    told = f"{count} challengers in a row were refused or rolled back"
    if count:
        told += f" (versions {', '.join(map(str, sorted(seen.refused)))})"
    if count >= rule.breaker:
        told += ": a person looks at why, and goes on by `regrow retrain FILE --force`"
    return Finding(
        rule=f"{BREAKER} {rule.breaker} challengers refused in a row",
        result=pass_if(count < rule.breaker),
        figure=count,
        limit=rule.breaker,
        detail=told,
    )


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


def _judge_labels(rule: Retraining, seen: Situation) -> Iterator[Finding]:
    """Ask whether there is enough that the champion has not seen: rows and, if the file asks for them, units."""
    yield Finding(
        rule=f"at least {rule.least_labels} new labelled rows",
        result=pass_if(seen.new_labels >= rule.least_labels),
        figure=seen.new_labels,
        limit=rule.least_labels,
        rows=seen.new_labels,
        units=seen.new_units,
        unit=seen.unit,
        detail=f"{seen.new_labels} of {rule.least_labels} new labelled rows",
    )
    if rule.least_units is not None:
        asked, found = (count_units(count, seen.unit) for count in (rule.least_units, seen.new_units))
        yield Finding(
            rule=f"new labelled rows of at least {asked}",
            result=pass_if(seen.new_units >= rule.least_units),
            figure=seen.new_units,
            limit=rule.least_units,
            rows=seen.new_labels,
            units=seen.new_units,
            unit=seen.unit,
            detail=f"new labelled rows of {found}, {asked} are asked",
        )
