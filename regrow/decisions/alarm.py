"""The verdict on a window of served rows."""

from collections.abc import Iterable

from regrow.verdict import Finding, Verdict


def judge_window(findings: Iterable[Finding]) -> Verdict:
    """Pass when every one of *findings* passes; the reason names what failed, or is still open."""
    found = tuple(findings)
    failed = [finding.detail for finding in found if not finding.passed]
    open_questions = [finding.detail for finding in found if finding.detail.startswith("nothing concluded")]
    if failed:
        reason = "; ".join(failed)
    elif open_questions:
        reason = (
            f"{len(found) - len(open_questions)} of {len(found)} rules passed; {'; '.join(open_questions)}"
        )
    else:
        reason = f"all {len(found)} rules passed"
    return Verdict(decision="monitor", passed=not failed, reason=reason, findings=found)
