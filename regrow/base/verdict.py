"""The record of one automatic decision: what was asked, what was found, and what follows."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, model_validator

Result = Literal["pass", "fail", "undecided"]
"""`undecided`: there is too little to tell. It is never a pass."""
Subject = Literal["quality", "drift", "prediction drift", "performance", "expected performance"]
"""What a rule of the monitoring watches."""
Decision = Literal["promote", "monitor", "retrain", "score", "validate", "deploy", "rollout", "roll back"]
Outcome = Literal["", "advance", "hold", "roll back", "better", "worse", "no difference"]

RESULTS: tuple[Result, ...] = get_args(Result)
BY_URGENCY: tuple[Result, ...] = ("fail", "undecided", "pass")
"""The order in which a page shows findings."""
COLUMNS = ("result", "rule", "figure", "limit", "interval", "rows", "units", "worth rows", "what was found")
PLURALS = {"entity": "entities"}


class _Judged(BaseModel):
    """Something that passed, failed, or could not be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    result: Result

    @model_validator(mode="before")
    @classmethod
    def _read_version_0_1(cls, data: Any) -> Any:
        """Take `passed: true` or `passed: false`, as Regrow 0.1 wrote it, for the result."""
        if not isinstance(data, dict) or "passed" not in data or "result" in data:
            return data
        rest = {key: value for key, value in data.items() if key != "passed"}
        return rest | {"result": "pass" if data["passed"] else "fail"}

    @property
    def passed(self) -> bool:
        """Whether the answer is yes."""
        return self.result == "pass"

    @property
    def failed(self) -> bool:
        """Whether the answer is no."""
        return self.result == "fail"

    @property
    def undecided(self) -> bool:
        """Whether there was too little to tell."""
        return self.result == "undecided"


class Finding(_Judged):
    """One rule's figure against its limit, with the rows and the confidence behind it."""

    rule: str
    """What was asked, in words: `roc_auc at least 0.62`, `drift of temp below 0.1`."""
    subject: Subject | None = None
    """What a rule of the monitoring watches; None for every other rule."""
    figure: float | None = None
    limit: float | None = None
    interval: tuple[float, float] | None = None
    """Lower and upper bound of *figure* at *confidence*."""
    confidence: float | None = None
    rows: int | None = None
    """Those that *figure* is of; None if it is of none: an age, a number of retrainings, the size of a file."""
    units: int | None = None
    """Independent observations that the interval counts or, without one, that *rows* lie on. None if the rule takes
    rows as they are (a share of them that is exact), or the finding is of before version 0.4."""
    unit: str | None = None
    """What one of them is: `day`, `entity`, `row` …"""
    effective_rows: float | None = None
    """Independent rows that would be as sure: *rows* times the ratio of the two variances. None without an interval,
    and if that rests on no variance: a rollout's of counts and quantiles."""
    noted: bool = False
    """It is told and decides nothing: if it fails, the verdict may pass, and nobody is alarmed."""
    detail: str = ""
    """What a person would want to read: what was found, with its figures, or what is missing."""


class Verdict(_Judged):
    """A decision, with every finding behind it."""

    decision: Decision
    reason: str
    findings: tuple[Finding, ...] = ()
    outcome: Outcome = ""
    """What to do with a rollout: `advance`, `hold` or `roll back`; after an A/B comparison also `better`, `worse` or
    `no difference`. Empty for every other decision."""

    @model_validator(mode="after")
    def _outcome_of_a_rollout(self) -> "Verdict":
        """Refuse an outcome that no one would read."""
        if self.outcome and self.decision != "rollout":
            raise ValueError(f"only a rollout has an outcome, not {self.decision!r}")
        return self

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that failed, but for those that decide nothing."""
        return tuple(finding for finding in self.findings if finding.failed and not finding.noted)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """The findings that failed and decide nothing."""
        return tuple(finding for finding in self.findings if finding.failed and finding.noted)

    @property
    def counts(self) -> dict[Result, int]:
        """How many findings passed, failed and are undecided."""
        found = Counter(finding.result for finding in self.findings)
        return {result: found[result] for result in RESULTS}

    def refused(self, reason: str, *findings: Finding, **changes: Any) -> "Verdict":
        """Return a failed verdict for *reason*: *findings* stand first, the measured ones are kept."""
        return self._changed(result="fail", reason=reason, findings=(*findings, *self.findings), **changes)

    def waived(self, reason: str) -> "Verdict":
        """Return a passed verdict for *reason*, whatever was found; what was found is kept."""
        waived = Finding(rule="gates waived", result="pass", detail=reason)
        return self._changed(result="pass", reason=reason, findings=(waived, *self.findings))

    def with_findings(self, *findings: Finding) -> "Verdict":
        """Return the same verdict with *findings* at its end."""
        return self._changed(findings=(*self.findings, *findings))

    def _changed(self, **changes: Any) -> "Verdict":
        """Return a validated copy with *changes*; `model_copy` would take them unseen."""
        return Verdict.model_validate(dict(self) | changes)


def pass_if(met: bool) -> Result:
    """Return the result of a rule that is either *met* or not."""
    return "pass" if met else "fail"


def combine(findings: Iterable[Finding]) -> Result:
    """Return what *findings* come to together: one failure fails, one undecided leaves it open, none passes.

    Those that are only noted decide nothing.
    """
    found = {finding.result for finding in findings if not finding.noted}
    if "fail" in found:
        return "fail"
    return "undecided" if "undecided" in found else "pass"


def to_markdown(title: str, verdict: Verdict, *paragraphs: str) -> str:
    """Write *verdict* as a page: *title*, result and reason, *paragraphs*, then a table of its findings.

    What failed comes first, then what is undecided.
    """
    counted = ", ".join(f"{count} {result}" for result, count in verdict.counts.items() if count)
    parts = [f"# {title}", f"**{verdict.result}**: {verdict.reason}", *paragraphs]
    if verdict.findings:
        ordered = sorted(verdict.findings, key=lambda finding: BY_URGENCY.index(finding.result))
        rows = [COLUMNS, ("---",) * len(COLUMNS), *(_cells(finding) for finding in ordered)]
        parts += [f"Findings: {counted}", "\n".join(_table_row(cells) for cells in rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _cells(finding: Finding) -> tuple[str, ...]:
    """Return what the table shows of *finding*, in the order of `COLUMNS`."""
    return (
        _result(finding),
        finding.rule,
        write_number(finding.figure),
        write_number(finding.limit),
        " to ".join(write_number(bound) for bound in finding.interval or ()),
        "" if finding.rows is None else str(finding.rows),
        write_units(finding),
        "" if finding.effective_rows is None else f"{finding.effective_rows:.0f}",
        finding.detail,
    )


def _result(finding: Finding) -> str:
    """Return the result of *finding* as the page shows it: in bold what decides and did not pass."""
    decides = not finding.passed and not finding.noted
    return f"**{write_result(finding)}**" if decides else write_result(finding)


def write_result(finding: Finding) -> str:
    """Write the result of *finding*, with a word if it did not pass and decides nothing all the same."""
    return f"{finding.result}, noted" if finding.noted and not finding.passed else finding.result


def write_units(finding: Finding) -> str:
    """Write how many units *finding* rests on: `18 days`; empty if it names none."""
    return "" if finding.units is None else count_units(finding.units, finding.unit or "unit")


def count_units(count: int, unit: str) -> str:
    """Write *count* units in words: `18 days`, `1 entity`."""
    return f"{count} {unit if count == 1 else PLURALS.get(unit, f'{unit}s')}"


def write_number(value: float | None) -> str:
    """Write *value* with four significant digits, whole numbers whole."""
    if value is None:
        return ""
    return f"{value + 0.0:.4g}" if abs(value) < 10_000 else f"{value:.0f}"  # Adding 0 makes 0 of -0.


def _table_row(cells: Iterable[str]) -> str:
    """Write *cells* as one row: neither a bar nor a line break within a cell ends it."""
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
