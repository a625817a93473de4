"""Measure missing and unseen values of the served rows."""

from regrow.data.windows import Window
from regrow.decisions.looks import level_of_look
from regrow.decisions.quality import judge_quality
from regrow.decisions.units import units_of_logged
from regrow.inspection.sampled import sample_with_units
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
    reference, units = sample_with_units(snapshot, columns, rule.drift.max_rows, project.data)
    logged = window.read()
    served = units_of_logged(logged.rows, project.data.sampling_unit)
    level = level_of_look(project)
    findings = judge_quality(reference, logged.features[columns], rule.quality, units, served, level)
    figures = {
        "quality.columns": float(len(columns)),
        "quality.failed": float(sum(finding.failed for finding in findings)),
        "quality.undecided": float(sum(finding.undecided for finding in findings)),
    }
    run.log_input(window, "window")
    run.log_input(snapshot, "reference")
    run.log_metrics(figures)
    return Measurement(subject="quality", findings=findings, figures=figures, url=run.url)
