"""Decide whether a candidate may become the champion."""

from regrow.decisions.gates import decide
from regrow.decisions.verdict import Finding, Verdict
from regrow.lineage import current, step
from regrow.project import Project
from regrow.results import Evaluation


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def judge(project: Project, evaluation: Evaluation) -> Verdict:
    """Judge *evaluation* by the project's gates, and show the verdict on the flow run's page."""
    from prefect.artifacts import create_markdown_artifact

    run = current()
    run.log_input(evaluation.predictions, "predictions")
    verdict = decide(project.evaluation, evaluation, evaluation.predictions.read(), project.training.seed)
    run.log_metrics({"passed": float(verdict.passed), "gates_failed": float(len(verdict.failures))})
    run.verdict(verdict)
    create_markdown_artifact(to_markdown(project.name, verdict), key=f"verdict-{project.name}")
    return verdict


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
