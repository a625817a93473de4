"""Watch a served model: quality, drift and performance of a window of its predictions."""

from datetime import datetime, timedelta
from pathlib import Path

from prefect import flow

from regrow.base.verdict import Verdict
from regrow.lineage import announce_failure, flow_run, open_project
from tasks.await_start import await_start
from tasks.collect_labels import collect_labels
from tasks.estimate_performance import estimate_performance
from tasks.find_champion import find_champion
from tasks.measure_attributions import measure_attributions
from tasks.measure_drift import measure_drift
from tasks.measure_performance import measure_performance
from tasks.measure_quality import measure_quality
from tasks.measure_skew import measure_skew
from tasks.raise_alarm import raise_alarm
from tasks.read_window import read_window
from tasks.report_monitoring import report_monitoring


@flow(
    name="monitor",
    flow_run_name="monitor-{config.stem}",
    on_failure=[announce_failure],
    on_crashed=[announce_failure],
)
def monitor(
    config: Path, as_of: datetime | None = None, window: timedelta | None = None, trigger: str = "manual"
) -> Verdict:
    """Judge the predictions served in the last *window* before *as_of* and raise an alarm if one is due.

    Performance is judged on the newest window whose labels have come, which ends earlier.

    Args:
        config: The model's project file.
        as_of: The moment that the run pretends is now (UTC); empty: now. The champion of that moment is judged.
        window: How far back to look; empty: `monitoring.window` of the project file.
        trigger: What started the run: `manual` or `schedule`.

    """
    project = open_project(config)
    with flow_run(project, trigger, as_of) as run:
        if awaited := await_start(project, trigger, run.as_of, "monitor", traffic=True):
            run.verdict(awaited)
            return awaited
        length = window or project.monitoring.window
        start = run.as_of - length
        champion = find_champion(project, run.as_of)
        served = read_window(project, start, run.as_of)
        collect_labels(project, start, run.as_of)
        quality = measure_quality(project, champion, served)
        drift = measure_drift(project, champion, served)
        performance = measure_performance(project, champion, length, run.as_of)
        expected = estimate_performance(project, champion, served, run.as_of)
        measured = [performance, expected, drift, quality]
        if asked := project.monitoring.attributions:
            measured.append(measure_attributions(project, champion, asked, served))
        if rule := project.monitoring.skew:
            measured.append(measure_skew(project, champion, rule, start, run.as_of))
        verdict = report_monitoring(project, tuple(measured), run.as_of)
        run.verdict(verdict)
        if verdict.failed:
            raise_alarm(project, verdict, run.as_of, run.run_id)
        return verdict
