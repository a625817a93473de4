"""Whether a model is trained again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.base.verdict import Verdict
from regrow.decisions.retraining import Situation, event_of, judge_retraining
from regrow.project import Budget, Retraining
from regrow.project.monitoring import Repeated

NOW = datetime(2013, 6, 1, tzinfo=UTC)
RULE = Retraining(
    cooldown=timedelta(days=7), least_labels=100, budget=Budget(runs=2, period=timedelta(days=365))
)
MOMENTS = st.lists(
    st.datetimes(datetime(2010, 1, 1), datetime(2016, 1, 1), timezones=st.just(UTC)), max_size=6
)


def judge(
    past: list[datetime], labels: int = 100, trigger: str = "alarm", rule: Retraining = RULE, **more: Any
) -> Verdict:
    """Judge at `NOW`; what is neither a cause nor force is part of the situation."""
    asked = {name: more.pop(name) for name in ("causes", "force") if name in more}
    return judge_retraining(rule, trigger, NOW, Situation(past, labels, **more), **asked)


def failed_rules(past: list[datetime], labels: int = 100, trigger: str = "alarm") -> list[str]:
    return [finding.rule for finding in judge(past, labels, trigger).failures]


def test_a_first_retraining_with_labels_is_wanted():
    """Without a retraining before, enough labels are enough."""
    verdict = judge([])
    assert verdict.passed
    assert verdict.reason == "alarm: 100 new labelled rows"


def test_the_cooldown_declines():
    """A retraining within the cooldown, or at the same moment, is declined; after it, it is not."""
    assert failed_rules([NOW - timedelta(days=6)]) == ["at least 1w since the last retraining"]
    assert failed_rules([NOW]) == ["at least 1w since the last retraining"]
    assert failed_rules([NOW - timedelta(days=7)]) == []


def test_the_budget_declines():
    """Two retrainings within the year spend a budget of two; one that is older counts no more."""
    recent = [NOW - timedelta(days=100), NOW - timedelta(days=200)]
    assert failed_rules(recent) == ["at most 2 retrainings in 365d"]
    assert failed_rules([recent[0], NOW - timedelta(days=365)]) == []


def test_too_few_labels_decline():
    """One labelled row short of the least is declined with both figures."""
    verdict = judge([], 99, "schedule")
    assert not verdict.passed
    assert verdict.reason == "declined (schedule): 99 of 100 new labelled rows"


def test_an_alarm_can_be_barred():
    """With `on_alarm` off an alarm is declined and a person is not."""
    rule = RULE.model_copy(update={"on_alarm": False})
    assert not judge([], rule=rule).passed
    assert judge([], trigger="manual", rule=rule).passed


@pytest.mark.parametrize("trigger", ["alarm", "schedule", "manual"])
def test_broken_data_is_never_learnt(trigger: str):
    """Whatever asks for it, a retraining because of broken data is declined, and says that a person is needed."""
    verdict = judge([], trigger=trigger, causes=("drift", "quality"))
    assert verdict.failed
    assert [finding.rule for finding in verdict.failures] == ["nothing is learnt from broken data"]
    assert "a person mends the feed" in verdict.reason
    assert judge([], trigger=trigger, causes=("drift", "performance")).passed


def test_a_person_may_learn_from_it_all_the_same():
    """Who has looked at the data and finds it right forces the retraining; the finding stays."""
    verdict = judge([], trigger="manual", causes=("quality",), force=True)
    assert (verdict.passed, verdict.counts["fail"]) == (True, 1)


def test_force_keeps_what_speaks_against():
    """A forced retraining passes, and its reason and findings still say what the policy held against it."""
    verdict = judge([NOW], 3, "manual", force=True)
    assert verdict.passed
    assert "against: last retraining" in verdict.reason
    assert len(verdict.failures) == 2


@given(past=MOMENTS, labels=st.integers(0, 200))
def test_the_order_of_the_past_changes_nothing(past: list[datetime], labels: int):
    """The verdict does not depend on the order in which past retrainings are read."""
    forth, back = (judge(order, labels) for order in (past, past[::-1]))
    assert forth == back


@given(
    past=MOMENTS, labels=st.integers(0, 200), later=st.timedeltas(timedelta(seconds=1), timedelta(days=900))
)
def test_a_later_retraining_changes_nothing(past: list[datetime], labels: int, later: timedelta):
    """A replay of last year is not held up by what was trained after it."""
    seen = judge(past, labels)
    assert judge([*past, NOW + later], labels) == seen


def changed(**changes: object) -> Retraining:
    return RULE.model_copy(update=changes)


@pytest.mark.parametrize(
    ("days", "trigger", "wanted"), [(29, "schedule", False), (30, "schedule", True), (1, "alarm", True)]
)
def test_a_schedule_waits_until_the_champion_is_old_enough(days: int, trigger: str, wanted: bool):
    """With an age a scheduled run trains an old champion alone, and nobody is told of a young one; an alarm is harm."""
    verdict = judge(
        [], trigger=trigger, rule=changed(age=timedelta(days=30)), trained=NOW - timedelta(days=days)
    )
    assert verdict.passed == wanted
    if not wanted:
        assert verdict.reason == "declined (schedule): the champion is 29.0 days old, 30d is asked"
        assert event_of(verdict) is None


def test_a_champion_of_unknown_age_is_old_enough():
    """A version that does not say when it was trained, as one registered by hand, holds up no schedule."""
    assert judge([], trigger="schedule", rule=changed(age=timedelta(days=30))).passed


@pytest.mark.parametrize(
    ("windows", "wanted"),
    [
        ([True], False),
        ([True, False, False], False),
        ([True, False, True], True),
        ([True, False, False, True], False),
    ],
)
def test_an_alarm_may_have_to_come_again(windows: list[bool], wanted: bool):
    """Two of the last three windows are asked: a first alarm waits, and what lies further back does not count."""
    rule = changed(alarms=Repeated(of=3, least=2))
    assert judge([], rule=rule, windows=windows).passed == wanted
    assert judge([], trigger="schedule", rule=rule, windows=windows).passed


@pytest.mark.parametrize(("units", "wanted"), [(9, False), (10, True)])
def test_new_rows_must_lie_on_enough_units(units: int, wanted: bool):
    """Thousands of rows of nine days are nine days: ten are asked."""
    verdict = judge([], rule=changed(least_units=10), new_units=units, unit="day")
    assert verdict.passed == wanted
    if not wanted:
        assert "new labelled rows of 9 days, 10 days are asked" in verdict.reason


def test_an_open_rollout_is_not_disturbed():
    """A challenger that is on its way is awaited, unless the file lets a new one take its place; `force` does too."""
    assert [finding.rule for finding in judge([], challenger=4).failures] == ["no rollout is open"]
    assert judge([], rule=changed(supersede=True), challenger=4).passed
    assert judge([], challenger=4, force=True).passed


def test_a_breaker_asks_a_person():
    """The third challenger in a row that led nowhere ends it; the reason says how to go on, and the event is urgent."""
    assert judge([], refused=(5, 4)).passed
    verdict = judge([], refused=(6, 5, 4))
    assert verdict.failed
    assert "3 challengers in a row were refused or rolled back (versions 4, 5, 6)" in verdict.reason
    assert "regrow retrain FILE --force" in verdict.reason
    assert event_of(verdict) == "breaker.open"
    assert judge([], refused=(6, 5, 4), force=True).passed


@pytest.mark.parametrize(
    ("promoted", "trainings", "end"), [(False, 3, "breaker.open"), (True, 12, "retraining.budget-spent")]
)
def test_a_policy_that_would_go_in_circles_stops(promoted: bool, trainings: int, end: str):
    """An alarm every day for a year: if nothing helps it stops at the breaker, if all is promoted at the budget."""
    rule = Retraining(cooldown=timedelta(days=1), least_labels=1)
    past: list[datetime] = []
    refused: list[int] = []
    told = []
    for day in range(365):
        moment = NOW + timedelta(days=day)
        seen = Situation(past=past, new_labels=1000, windows=[True] * 9, refused=refused)
        verdict = judge_retraining(rule, "alarm", moment, seen)
        if verdict.passed:
            past.append(moment)
            refused = [] if promoted else [len(past), *refused]
        told.append(event_of(verdict) if verdict.failed else None)
    assert len(past) == trainings
    assert set(told[trainings:]) == {end}
