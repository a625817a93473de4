"""The verdict on a window of served rows."""

from collections.abc import Iterable

from regrow.verdict import Finding, Verdict, combine


def judge_window(findings: Iterable[Finding]) -> Verdict:
    """Fail when a finding of *findings* fails, pass when each passes, else leave it undecided.

    Only a failure raises an alarm. The reason names what failed, or else what is still open.
    """
    found = tuple(findings)
    result = combine(found)
    named = [finding.detail for finding in found if finding.result == result]
    if result == "pass":
        reason = f"all {len(found)} rules passed"
    elif result == "fail":
        reason = "; ".join(named)
    else:
        reason = f"{len(found) - len(named)} of {len(found)} rules passed, the rest is undecided: {'; '.join(named)}"
    return Verdict(decision="monitor", result=result, reason=reason, findings=found)
