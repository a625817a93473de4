"""What raises an alarm, about what, and who answers it."""

import pytest

from regrow.base.verdict import Finding, Subject, Verdict
from regrow.decisions.alarm import causes_of, judge_window, who_acts

PASSED = Finding(rule="a", result="pass", detail="a is well")
FAILED = Finding(rule="b", result="fail", detail="b is 0.5")
OPEN = Finding(rule="c", result="undecided", detail="3 of 500 labels")


def test_one_failure_fails_the_window():
    """One failed finding is enough, and the reason is what it says."""
    verdict = judge_window([PASSED, FAILED])
    assert not verdict.passed
    assert verdict.reason == "b is 0.5"
    assert verdict.failures == (FAILED,)


def test_what_is_open_is_not_called_passed():
    """A rule on which there is too little to tell leaves the window undecided: no alarm, and no pass either."""
    verdict = judge_window([PASSED, OPEN])
    assert verdict.undecided
    assert not verdict.passed
    assert not verdict.failed
    assert verdict.reason == "1 of 2 rules passed, the rest is undecided: 3 of 500 labels"


def test_a_failure_outweighs_what_is_open():
    """A failed rule raises the alarm whatever else is undecided, and is alone named as its reason."""
    verdict = judge_window([OPEN, FAILED])
    assert (verdict.failed, verdict.reason) == (True, "b is 0.5")
    assert verdict.counts == {"pass": 0, "fail": 1, "undecided": 1}


def test_all_passed_is_said_plainly():
    """A window without a failure passes with a count of its rules."""
    assert judge_window([PASSED, PASSED]).reason == "all 2 rules passed"


def window(*failed: Subject) -> Verdict:
    return judge_window(
        [PASSED, *(Finding(rule=one, subject=one, result="fail", detail=one) for one in failed)]
    )


@pytest.mark.parametrize(
    ("failed", "answered_by"),
    [
        (["drift"], "retraining"),
        (["performance", "prediction drift"], "retraining"),
        (["quality"], "person"),
        (["drift", "quality", "performance"], "person"),
    ],
)
def test_broken_data_is_for_a_person(failed: list[Subject], answered_by: str):
    """Drift and lost performance may be learnt away; broken data explains both, and only a person mends a feed."""
    assert who_acts(causes_of(window(*failed)), on_alarm=True) == answered_by


def test_where_alarms_retrain_nothing_a_person_acts():
    """With `retraining.on_alarm: false` every alarm is for a person."""
    assert who_acts(("drift",), on_alarm=False) == "person"


def test_causes_are_named_once_and_only_if_they_failed():
    """Two failed columns are one cause; what is undecided is none."""
    found = judge_window([*window("quality", "quality", "drift").findings, OPEN])
    assert causes_of(found) == ("quality", "drift")
    assert causes_of(judge_window([PASSED, OPEN])) == ()


def test_the_reason_says_what_to_do_with_broken_data():
    """A person who reads only the reason learns that nothing starts by itself, and how to go on."""
    assert "mend the feed" in window("quality", "drift").reason
    assert "mend the feed" not in window("drift").reason


def test_drift_alone_passes_and_is_told():
    """What is only noted decides nothing: the window passes, or stays open, and the reason names it; no cause of it."""
    noted = Finding(rule="n", subject="drift", result="fail", noted=True, detail="size 3.1")
    alone = judge_window([PASSED, noted])
    assert (alone.result, alone.reason) == ("pass", "1 of 2 rules passed; no harm so far: size 3.1")
    assert (alone.failures, alone.notes, causes_of(alone)) == ((), (noted,), ())
    assert judge_window([OPEN, noted]).reason.endswith("harm not known yet: size 3.1")
    harmed = judge_window([FAILED, noted])
    assert (harmed.failed, harmed.reason, harmed.failures) == (True, "b is 0.5", (FAILED,))
    assert judge_window([PASSED, Finding(rule="n", result="undecided", noted=True)]).passed
