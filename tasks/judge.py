"""Decide whether a candidate may become the champion."""

from regrow.decisions.gates import decide
from regrow.lineage import current, step
from regrow.project import Project
from regrow.results import Evaluation
from regrow.verdict import Finding, Verdict


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def judge(project: Project, evaluation: Evaluation, override: str = "") -> Verdict:
    """Judge *evaluation* by the project's gates, and show the verdict on the flow run's page.

    An *override* waives the gates and says why: all of them are measured, and the verdict passes.
    """
    from prefect.artifacts import create_markdown_artifact

    run = current()
    run.log_input(evaluation.predictions, "predictions")
    frame = evaluation.predictions.read()
    verdict = waive(decide(project.evaluation, evaluation, frame, project.training.seed), override)
    run.log_metrics({"passed": float(verdict.passed), "gates_failed": float(len(verdict.failures))})
    run.verdict(verdict)
    create_markdown_artifact(to_markdown(project.name, verdict), key=f"verdict-{project.name}")
    return verdict


def waive(verdict: Verdict, override: str) -> Verdict:
    """Let the gates of *verdict* pass where *override* says why; what they measured stands in it all the same."""
    if not override:
        return verdict
    failed = ", ".join(finding.rule for finding in verdict.failures) or "none"
    reason = f"gates waived: {override} (failed: {failed})"
    waived = Finding(rule="gates waived", passed=True, detail=reason)
    return verdict.model_copy(
        update={"passed": True, "reason": reason, "findings": (waived, *verdict.findings)}
    )


def to_markdown(name: str, verdict: Verdict) -> str:
    """Show *verdict* as a table with one gate a row."""
    head = f"# {name}: {'promote' if verdict.passed else 'refuse'}\n\n{verdict.reason}\n\n"
    table = "| gate | passed | figure | limit | interval | rows |\n|---|---|---|---|---|---|\n"
    return head + table + "".join(_row(finding) for finding in verdict.findings)


def _row(finding: Finding) -> str:
    interval = f"{finding.interval[0]:.4f} to {finding.interval[1]:.4f}" if finding.interval else ""
    cells = [
        finding.rule,
        "yes" if finding.passed else "**no**",
        _number(finding.figure),
        _number(finding.limit),
        interval,
        str(finding.rows or ""),
    ]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
