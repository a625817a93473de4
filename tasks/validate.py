"""Test a batch against the project's expectations, and set the rows that break one aside."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.data.sources import feature_columns
from regrow.errors import BatchRejected, DataError
from regrow.inspection.leak_check import find_leaks
from regrow.inspection.usable import judge_columns
from regrow.lineage import current, step
from regrow.project import Expectation, GroupSplit, Project, SliceGate
from regrow.project.data import named_alike
from regrow.project.expectations import build_expectation, columns_of
from regrow.project.imports import naming_origin
from regrow.results import Validation
from regrow.verdict import Finding, Verdict, combine, pass_if

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.expectations.expectation import Expectation as Built


@dataclass(frozen=True)
class Outcome:
    """What one expectation found in a batch."""

    expectation: Expectation
    passed: bool
    rows: tuple[int, ...]
    """Places of the rows that break it; empty if it judges the table as a whole."""
    observed: str

    @property
    def name(self) -> str:
        """The expectation with its columns: `expect_column_values_to_be_unique(flight_id)`."""
        return f"{self.expectation.expect}({', '.join(columns_of(self.expectation))})"


@dataclass(frozen=True)
class Report:
    """What every expectation found, and the page that shows it."""

    outcomes: tuple[Outcome, ...]
    html: str


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
    if not examined.verdict.passed:
        raise BatchRejected(examined.verdict.reason)
    kept = write_snapshot(accepted, project.data.timestamp) if aside else snapshot
    return Validation(accepted=kept, quarantined=aside, remarks=examined.remarks)


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
    notes = [Finding(rule=note, result="pass") for note in usability.notes]
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
    for place, gate in enumerate(plan.gates):
        if isinstance(gate, SliceGate):
            named[f"evaluation.gates.{place}.column"] = [gate.column]
    for key, wanted in named.items():
        missing = [column for column in wanted if column not in columns]
        if missing:
            raise DataError(
                f"{project.path}: {key}: {', '.join(missing)} not in the data (it holds "
                f"{', '.join(columns)}); correct the name, or the source"
            )
    if alike := named_alike(feature_columns(project, list(columns))):
        raise DataError(
            f"{project.path}: data.features: the columns `{alike[0]}` and `{alike[1]}` differ in capitals alone, and "
            "the prediction log takes them for one; rename one in the source, or leave it out of data.features"
        )


def check(frame: pd.DataFrame, expectations: Sequence[Expectation], key: str = "data.expectations") -> Report:
    """Test *frame* against *expectations*, which stand under *key* in the project file, with Great Expectations.

    Raises `ProjectError` if an expectation cannot be, `DataError` if it cannot be computed on these rows.
    """
    keys = [f"{key}.{place}" for place in range(len(expectations))]
    built = [build_expectation(each, place) for each, place in zip(expectations, keys, strict=True)]
    for expectation, place in zip(expectations, keys, strict=True):
        missing = [column for column in columns_of(expectation) if column not in frame]
        if missing:
            raise DataError(
                f"{place}: {expectation.expect}: column {', '.join(missing)} is not in the data; "
                "correct the name, or the source"
            )
    with naming_origin(DataError, f"{key}: Great Expectations fails on these rows"):
        result = _run(frame.reset_index(drop=True), built)
        found = {_place(entry): entry for entry in result.results}
        html = _render(result)
    parts = enumerate(zip(expectations, keys, strict=True))
    return Report(tuple(_outcome(each, found[at], place) for at, (each, place) in parts), html)


def _run(frame: pd.DataFrame, built: "list[Built]") -> "ExpectationSuiteValidationResult":
    """Run the expectations in a context that writes nothing, and return what they found in plain numbers.

    A batch that is fetched first and then asked to validate is fetched twice, and each time all of it is hashed.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.validator.v1_validator import Validator

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    for place, expectation in enumerate(built):
        expectation.meta = {"place": place}
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("batch")
    validator = Validator(
        batch_definition=asset.add_batch_definition_whole_dataframe("whole"),
        batch_parameters={"dataframe": frame},
        result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False},
    )
    result = validator.validate_expectation_suite(
        gx.ExpectationSuite(name="expectations", expectations=built)
    )
    for entry in result.results:
        # Its own page cannot show a number of NumPy 2, and says so in forty lines of the log.
        entry.result.update(_plain(entry.result))
    return result


def _place(entry: Any) -> int:
    """Return which expectation *entry* answers: Great Expectations does not keep their order."""
    return entry.expectation_config.meta["place"]


def _outcome(expectation: Expectation, entry: Any, key: str) -> Outcome:
    """Read one entry of Great Expectations' result."""
    raised = [problem for problem in _problems(entry.exception_info) if problem.get("raised_exception")]
    if raised:
        message = " ".join(str(raised[0].get("exception_message")).split())
        raise DataError(
            f"{key}: {expectation.expect}: cannot be computed on this data ({message}); "
            "check the column's type and the arguments"
        )
    rows = tuple(entry.result.get("unexpected_index_list") or ())
    observed = f"observed {_plain(entry.result.get('observed_value'))}"
    if rows:
        observed = f"values {_samples(entry.result.get('partial_unexpected_list') or [])}"
    return Outcome(expectation, bool(entry.success), rows, observed)


def _samples(values: Sequence[object], most: int = 5) -> list[object]:
    """Return the first *most* different ones of *values*, which may be rows of several columns (not hashable)."""
    return list({repr(plain): plain for plain in map(_plain, values)}.values())[:most]


def _plain(value: Any) -> Any:
    """Return *value* with plain numbers for NumPy's, which print their type."""
    match value:
        case np.generic():
            return value.item()
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list() | tuple():
            return type(value)(map(_plain, value))
        case _:
            return value


def _problems(info: dict[str, Any]) -> list[dict[str, Any]]:
    """List the exceptions of one entry, which Great Expectations nests by metric or not at all."""
    return (
        [info] if "raised_exception" in info else [part for part in info.values() if isinstance(part, dict)]
    )


def _render(result: "ExpectationSuiteValidationResult") -> str:
    """Render Great Expectations' own page of *result*."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    return DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))


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
