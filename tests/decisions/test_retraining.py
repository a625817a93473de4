from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.decisions.retraining import judge_retraining
from regrow.project import Budget, Retraining

NOW = datetime(2013, 6, 1, tzinfo=UTC)
RULE = Retraining(
    cooldown=timedelta(days=7), least_labels=100, budget=Budget(runs=2, period=timedelta(days=365))
)
MOMENTS = st.lists(
    st.datetimes(datetime(2010, 1, 1), datetime(2016, 1, 1), timezones=st.just(UTC)), max_size=6
)


def failed_rules(past: list[datetime], labels: int = 100, trigger: str = "alarm") -> list[str]:
    return [finding.rule for finding in judge_retraining(RULE, trigger, NOW, past, labels).failures]


def test_a_first_retraining_with_labels_is_wanted():
    """Without a retraining before, enough labels are enough."""
    verdict = judge_retraining(RULE, "alarm", NOW, [], 100)
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
    verdict = judge_retraining(RULE, "schedule", NOW, [], 99)
    assert not verdict.passed
    assert verdict.reason == "declined (schedule): 99 of 100 new labelled rows"


def test_an_alarm_can_be_barred():
    """With `on_alarm` off an alarm is declined and a person is not."""
    rule = RULE.model_copy(update={"on_alarm": False})
    assert not judge_retraining(rule, "alarm", NOW, [], 100).passed
    assert judge_retraining(rule, "manual", NOW, [], 100).passed


@pytest.mark.parametrize("trigger", ["alarm", "schedule", "manual"])
def test_broken_data_is_never_learnt(trigger: str):
    """Whatever asks for it, a retraining because of broken data is declined, and says that a person is needed."""
    verdict = judge_retraining(RULE, trigger, NOW, [], 100, causes=("drift", "quality"))
    assert verdict.failed
    assert [finding.rule for finding in verdict.failures] == ["nothing is learnt from broken data"]
    assert "a person mends the feed" in verdict.reason
    assert judge_retraining(RULE, trigger, NOW, [], 100, causes=("drift", "performance")).passed


def test_a_person_may_learn_from_it_all_the_same():
    """Who has looked at the data and finds it right forces the retraining; the finding stays."""
    verdict = judge_retraining(RULE, "manual", NOW, [], 100, causes=("quality",), force=True)
    assert (verdict.passed, verdict.counts["fail"]) == (True, 1)


def test_force_keeps_what_speaks_against():
    """A forced retraining passes, and its reason and findings still say what the policy held against it."""
    verdict = judge_retraining(RULE, "manual", NOW, [NOW], 3, force=True)
    assert verdict.passed
    assert "against: last retraining" in verdict.reason
    assert len(verdict.failures) == 2


@given(past=MOMENTS, labels=st.integers(0, 200))
def test_the_order_of_the_past_changes_nothing(past: list[datetime], labels: int):
    """The verdict does not depend on the order in which past retrainings are read."""
    forth, back = (judge_retraining(RULE, "alarm", NOW, order, labels) for order in (past, past[::-1]))
    assert forth == back


@given(
    past=MOMENTS, labels=st.integers(0, 200), later=st.timedeltas(timedelta(seconds=1), timedelta(days=900))
)
def test_a_later_retraining_changes_nothing(past: list[datetime], labels: int, later: timedelta):
    """A replay of last year is not held up by what was trained after it."""
    seen = judge_retraining(RULE, "alarm", NOW, past, labels)
    assert judge_retraining(RULE, "alarm", NOW, [*past, NOW + later], labels) == seen
