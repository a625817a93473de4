"""Test a batch against the project's expectations, and set the rows that break one aside."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from regrow.base.errors import BatchRejected, DataError
from regrow.base.verdict import Finding, Verdict, combine, pass_if
from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.data.sources import feature_columns
from regrow.data.text_columns import misread_text
from regrow.decisions.quarantine import usual_share
from regrow.inspection.expectations import Outcome, Report, check
from regrow.inspection.leak_check import find_leaks
from regrow.inspection.usable import judge_columns
from regrow.lineage import RunRecord, announce, current, step
from regrow.models.results import Validation
from regrow.project import GroupSplit, Project
from regrow.project.data import named_alike

LAST = 10
"""How many batches before say what is usual."""


@dataclass(frozen=True)
class Examined:
    """The rows of a batch after every test of them: what is kept and set aside, and why."""

    report: Report
    accepted: pd.DataFrame
    quarantined: pd.DataFrame
    verdict: Verdict
    remarks: tuple[Finding, ...]
    """What a person should know although nothing is refused for it: possible leaks, columns that are not used."""


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def validate(project: Project, snapshot: Snapshot) -> Validation:
    """Return the rows of *snapshot* that meet the project's expectations, and what in them a person should know.

    Raises `DataError` if a column is missing or no model can take one, `BatchRejected` if an expectation that rejects
    is broken, more rows than the limit are set aside or a leak is to be refused, `ProjectError` if an expectation is
    not one.
    """
    run = current()
    run.log_input(snapshot, "ingested")
    examined = examine(project, snapshot.read())
    accepted, quarantined = examined.accepted, examined.quarantined
    if examined.report.html:
        run.log_text(examined.report.html, "validation.html")
    run.verdict(examined.verdict)
    run.log_metrics({"rows": snapshot.rows, "quarantined": len(quarantined)})
    aside = write_snapshot(quarantined, project.data.timestamp) if len(quarantined) else None
    if aside:
        run.log_input(aside, "quarantined")
        tell_unusual(project, snapshot.rows, len(quarantined), past_shares(run))
    if not examined.verdict.passed:
        raise BatchRejected(examined.verdict.reason)
    kept = write_snapshot(accepted, project.data.timestamp) if aside else snapshot
    return Validation(accepted=kept, quarantined=aside, remarks=examined.remarks)


def past_shares(run: RunRecord) -> list[float]:
    """Return the shares of rows that the last batches set aside, but for that of *run*."""
    found = run.client.search_runs(
        [run.experiment_id],
        f"tags.`regrow.step` = 'validate' and metrics.rows > 0 and attributes.run_id != '{run.run_id}'",
        max_results=LAST,
        order_by=["attributes.start_time DESC"],
    )
    return [each.data.metrics.get("quarantined", 0.0) / each.data.metrics["rows"] for each in found]


def tell_unusual(project: Project, rows: int, aside: int, past: Sequence[float]) -> None:
    """Announce that *aside* of *rows* rows are more than batches usually set aside, by the shares of *past* ones."""
    share, usual = aside / rows, usual_share(past, project.data.quarantine_limit)
    if share > usual:
        reason = f"{aside} of {rows} rows set aside ({share:.1%}; usual is at most {usual:.1%})"
        announce(project, "rows.quarantined", reason, figures={"rows": rows, "set aside": aside})


def examine(project: Project, frame: pd.DataFrame) -> Examined:
    """Test the rows of *frame* by everything that can be known of them before a fit.

    Raises `DataError` naming each column that is missing or that no model can take, `ProjectError` if an expectation
    is not one.
    """
    require_columns(project, list(frame.columns))
    report = Report((), "")
    if project.data.expectations:
        report = check(frame, project.data.expectations, f"{project.path}: data.expectations")
    accepted, quarantined = quarantine(frame, report.outcomes)
    verdict = judge_batch(report.outcomes, frame, project.data.quarantine_limit)
    if not verdict.passed:
        return Examined(report, accepted, quarantined, verdict, ())
    usability = judge_columns(project, accepted)
    if usability.problems:
        raise DataError("\n".join(f"{project.path}: {problem}" for problem in usability.problems))
    leaks = find_leaks(project, accepted)
    judged = judge_leaks(verdict, leaks, project.data.leakage.refuse)
    text = misread_text(project, accepted, feature_columns(project, list(accepted.columns)))
    notes = [Finding(rule=note, result="pass") for note in (*usability.notes, *text)]
    remarks = (*(finding for finding in leaks if finding.failed), *notes)
    return Examined(report, accepted, quarantined, judged.with_findings(*notes), remarks)


def require_columns(project: Project, columns: Sequence[str]) -> None:
    """Raise `DataError` if the project file names a column that is not among *columns*, or two features are alike."""
    data, plan = project.data, project.evaluation
    named = {
        "data.target": [data.target],
        "data.keys": data.key_columns,
        "data.features": data.features or (),
        "evaluation.slices": plan.slices,
    }
    if isinstance(data.splitting, GroupSplit):
        named["data.split.column"] = [data.splitting.column]
    named |= {key: [column] for key, column in plan.gated_columns.items()}
    for key, wanted in named.items():
        missing = [column for column in wanted if column not in columns]
        if missing:
            raise DataError(
                f"{project.path}: {key}: {', '.join(missing)} not in the data (it holds "
                f"{', '.join(columns)}); correct the name, or the source"
            )
    features = feature_columns(project, list(columns))
    if foreign := [name for name in project.monitoring.drift.context if name not in features]:
        raise DataError(
            f"{project.path}: monitoring.drift.context: `{foreign[0]}` is no feature of the data, so it is not logged "
            f"with predictions; name one of {', '.join(features)}"
        )
    if alike := named_alike(features):
        raise DataError(
            f"{project.path}: data.features: the columns `{alike[0]}` and `{alike[1]}` differ in capitals alone, and "
            "the prediction log takes them for one; rename one in the source, or leave it out of data.features"
        )


def judge_batch(outcomes: Sequence[Outcome], frame: pd.DataFrame, limit: float) -> Verdict:
    """Accept the batch, or name the expectation that it broke, with rows and share."""
    findings = [_finding(outcome, len(frame)) for outcome in outcomes]
    aside = len(set().union(*(outcome.rows for outcome in _quarantining(outcomes))))
    share = aside / len(frame) if len(frame) else 0.0
    broken = "; ".join(outcome_finding.detail for outcome_finding in findings if outcome_finding.failed)
    reasons = "; ".join(_finding(outcome, len(frame)).detail for outcome in _quarantining(outcomes))
    findings.append(
        Finding(
            rule=f"at most {limit:.1%} of the rows set aside",
            result=pass_if(share <= limit),
            figure=share,
            limit=limit,
            rows=len(frame),
            detail=f"{aside} of {len(frame)} rows set aside ({share:.1%}, limit {limit:.1%}): {reasons}",
        )
    )
    result = combine(findings)
    over = findings[-1].detail if share > limit else ""
    reason = "; ".join(part for part in (broken, over) if part)
    advice = "; mend the source, or change the expectation in the project file"
    return Verdict(
        decision="validate",
        result=result,
        reason=f"{len(frame) - aside} of {len(frame)} rows accepted"
        if result == "pass"
        else f"batch rejected: {reason}{advice}",
        findings=tuple(findings),
    )


def judge_leaks(verdict: Verdict, leaks: tuple[Finding, ...], refuse: bool) -> Verdict:
    """Return *verdict* with what was found of *leaks*; if it should *refuse* them, one that fails rejects the batch."""
    told = "; ".join(finding.detail for finding in leaks if finding.failed)
    if refuse and told:
        return verdict.refused(f"batch rejected, because data.leakage.refuse is set: {told}", *leaks)
    return verdict.with_findings(*leaks)


def _finding(outcome: Outcome, rows: int) -> Finding:
    """Return what *outcome* found; a broken expectation that sets rows aside does not fail the batch by itself."""
    count = len(outcome.rows)
    share = count / rows if rows else 0.0
    found = f"{count} rows ({share:.1%}), {outcome.observed}" if count else outcome.observed
    return Finding(
        rule=outcome.name,
        result=pass_if(outcome.passed or (bool(count) and outcome.expectation.on_failure == "quarantine")),
        figure=share if count else None,
        rows=rows,
        detail=f"{outcome.name}: {'met' if outcome.passed else f'broken by {found}'}",
    )


def _quarantining(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Pick the broken expectations that set rows aside."""
    return [one for one in outcomes if not one.passed and one.expectation.on_failure == "quarantine"]


def quarantine(frame: pd.DataFrame, outcomes: Sequence[Outcome]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part *frame* into accepted rows and those set aside, each with its reason in a column after the user's own."""
    reasons = np.full(len(frame), "", dtype=object)
    for outcome in _quarantining(outcomes):
        rows = list(outcome.rows)
        reasons[rows] += np.where(reasons[rows] == "", "", "; ").astype(object) + outcome.name
    aside = reasons != ""
    column = "reason"
    while column in frame:
        column += "_"
    return frame[~aside], frame[aside].assign(**{column: reasons[aside]})
