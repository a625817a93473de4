"""Measure missing and unseen values of the served rows."""

from regrow.data.reference import sample_snapshot
from regrow.data.windows import Window
from regrow.decisions.quality import judge_quality
from regrow.lineage import current, step
from regrow.models.results import Measurement
from regrow.project import Project
from regrow.registry import Version


@step(retries=2, retry_delay_seconds=[5, 30])
def measure_quality(project: Project, champion: Version, window: Window) -> Measurement:
    """Judge the data quality of *window* against the champion's reference rows."""
    run, rule = current(), project.monitoring
    snapshot = champion.facts.reference(rule.reference)
    columns = window.shared_features(snapshot)
    reference = sample_snapshot(snapshot, columns, rule.drift.max_rows)
    findings = judge_quality(reference, window.read().features[columns], rule.quality)
    figures = {
        "quality.columns": float(len(columns)),
        "quality.failed": float(sum(finding.failed for finding in findings)),
        "quality.undecided": float(sum(finding.undecided for finding in findings)),
    }
    run.log_input(window, "window")
    run.log_input(snapshot, "reference")
    run.log_metrics(figures)
    return Measurement(subject="quality", findings=findings, figures=figures, url=run.url)
