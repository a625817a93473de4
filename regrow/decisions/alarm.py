"""The verdict on a window of served rows, what it is about, and who acts on it."""

from collections.abc import Collection, Iterable
from typing import Literal

from regrow.base.verdict import Finding, Result, Subject, Verdict, combine

BROKEN_DATA: Subject = "quality"
"""What tells that the feed is broken rather than the world changed."""
MEND = (
    "the data is broken, so nothing is retrained: mend the feed or, if the data is right, start `regrow retrain` "
    "by hand"
)


def judge_window(findings: Iterable[Finding]) -> Verdict:
    """Fail when a finding of *findings* fails, pass when each passes, else leave it undecided.

    Only a failure raises an alarm. What is noted alone, drift as a rule, does none of these. The reason names what
    failed, or else what is still open, and what is noted.
    """
    found = tuple(findings)
    result = combine(found)
    named = [finding.detail for finding in found if finding.result == result and not finding.noted]
    passed = sum(finding.passed for finding in found)
    if result == "fail":
        broken = any(finding.failed and finding.subject == BROKEN_DATA for finding in found)
        return _verdict(result, [*named, MEND] if broken else named, found)
    if result == "undecided":
        reason = f"{passed} of {len(found)} rules passed, the rest is undecided: {'; '.join(named)}"
    else:
        reason = f"{'all' if passed == len(found) else f'{passed} of'} {len(found)} rules passed"
    notes = [finding.detail for finding in found if finding.noted and not finding.passed]
    told = "no harm so far" if result == "pass" else "harm not known yet"
    return _verdict(result, [reason, f"{told}: {', '.join(notes)}"] if notes else [reason], found)


def _verdict(result: Result, reasons: list[str], findings: tuple[Finding, ...]) -> Verdict:
    return Verdict(decision="monitor", result=result, reason="; ".join(reasons), findings=findings)


def causes_of(verdict: Verdict) -> tuple[Subject, ...]:
    """Return what *verdict*'s alarm is about: the subjects that failed, each once, in the order of the findings."""
    return tuple(dict.fromkeys(finding.subject for finding in verdict.failures if finding.subject))


def who_acts(causes: Collection[Subject], on_alarm: bool) -> Literal["person", "retraining"]:
    """Return who answers an alarm of these *causes*; *on_alarm* is the project's `retraining.on_alarm`.

    Broken data is for a person, also when drift or lost performance was found beside it: it explains them, and a
    model that is trained on it learns it.
    """
    return "retraining" if on_alarm and BROKEN_DATA not in causes else "person"
