"""An override against what the gates measured."""

from regrow.verdict import Finding, Verdict
from tasks.judge import waive

SHORT = Finding(rule="roc_auc at least 0.8", result="fail", detail="roc_auc is 0.7")
OPEN = Finding(rule="roc_auc at least 0.6 in every origin", result="undecided")
REFUSED = Verdict(decision="promote", result="fail", reason="too low", findings=(SHORT, OPEN))


def test_an_override_passes_and_names_what_it_waives():
    """Waived gates pass; the reason names each that did not pass, and their findings stand after the waiver."""
    waived = waive(REFUSED, "a drill")
    assert waived.passed
    assert waived.reason == f"gates waived: a drill (failed: {SHORT.rule}; undecided: {OPEN.rule})"
    assert waived.findings[1:] == (SHORT, OPEN)


def test_without_an_override_the_gates_decide():
    """No override leaves the verdict as it is."""
    assert waive(REFUSED, "") == REFUSED
