from regrow.decisions.alarm import judge_window
from regrow.verdict import Finding

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
