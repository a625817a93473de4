"""Decide whether a candidate may become the champion."""

from regrow.base.verdict import Finding, Result, Verdict, to_markdown
from regrow.decisions.gates import decide
from regrow.decisions.held_out import HeldOut, tell_days
from regrow.lineage import current, step
from regrow.models.results import Evaluation
from regrow.project import Project


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def judge(project: Project, evaluation: Evaluation, override: str = "") -> Verdict:
    """Judge *evaluation* by the project's gates, and show the verdict on the flow run's page.

    An *override* waives the gates and says why: all of them are measured, and the verdict passes.
    """
    from prefect.artifacts import create_markdown_artifact

    run = current()
    run.log_input(evaluation.predictions, "predictions")
    frame = evaluation.predictions.read()
    unit = project.data.sampling_unit
    judged = decide(project.evaluation, evaluation, frame, unit)
    counts = {f"gates_{result}": float(count) for result, count in judged.counts.items()}
    remarks = (*tell_days(HeldOut(evaluation, frame, unit)), *remarks_of(evaluation))
    verdict = waive(judged.with_findings(*remarks), override)
    run.log_metrics({"passed": float(verdict.passed), **counts})
    run.verdict(verdict)
    title = f"{project.name}: {'promote' if verdict.passed else 'refuse'}"
    create_markdown_artifact(to_markdown(title, verdict), key=f"verdict-{project.name}")
    return verdict


def remarks_of(evaluation: Evaluation) -> tuple[Finding, ...]:
    """Return what a reader of the figures must know: of which models they are, if not of those that serve."""
    told = {
        "the figures are those of the recipe": evaluation.candidate.facts.figures_of,
        "the champion that was compared": evaluation.champion_remark,
    }
    return tuple(Finding(rule=rule, result="pass", detail=detail) for rule, detail in told.items() if detail)


def waive(verdict: Verdict, override: str) -> Verdict:
    """Return *verdict* as passed if *override* says why; what the gates measured is kept in it."""
    if not override:
        return verdict
    words: dict[Result, str] = {"fail": "failed", "undecided": "undecided"}
    against = [
        f"{told}: {', '.join(finding.rule for finding in verdict.findings if finding.result == result)}"
        for result, told in words.items()
        if verdict.counts[result]
    ]
    return verdict.waived(f"gates waived: {override} ({'; '.join(against) or 'all passed'})")
