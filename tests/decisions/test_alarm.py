from regrow.decisions.alarm import judge_window
from regrow.verdict import Finding

PASSED = Finding(rule="a", passed=True, detail="a is well")
FAILED = Finding(rule="b", passed=False, detail="b is 0.5")
OPEN = Finding(rule="c", passed=True, detail="nothing concluded: 3 of 500 labels")


def test_one_failure_fails_the_window():
    """One failed finding is enough, and the reason is what it says."""
    verdict = judge_window([PASSED, FAILED])
    assert not verdict.passed
    assert verdict.reason == "b is 0.5"
    assert verdict.failures == (FAILED,)


def test_what_is_open_is_not_called_passed():
    """A rule that could conclude nothing is no failure, and the reason does not hide it."""
    verdict = judge_window([PASSED, OPEN])
    assert verdict.passed
    assert verdict.reason == "1 of 2 rules passed; nothing concluded: 3 of 500 labels"


def test_all_passed_is_said_plainly():
    """A window without a failure passes with a count of its rules."""
    assert judge_window([PASSED, PASSED]).reason == "all 2 rules passed"
