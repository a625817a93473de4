from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from regrow.base.verdict import Finding, Subject
from regrow.decisions.alarm import judge_window
from regrow.models.results import Measurement
from regrow.project import Project
from tasks import report_monitoring as module
from tasks.report_monitoring import collect_links, render_findings

AS_OF = datetime(2024, 1, 1, tzinfo=UTC)


def test_failures_come_first_and_bars_do_not_break_the_table():
    """The page names the alarm, lists failures first, and keeps a value's own bars in its cell."""
    findings = [Finding(rule="a", result="pass"), Finding(rule="b", result="fail", detail="saw x|y")]
    page = render_findings("flights", AS_OF, judge_window(findings), {"report": "http://mlflow/1"})
    assert page.startswith("# flights, as of 2024-01-01 00:00 UTC: alarm")
    assert "**fail**: saw x|y" in page
    assert page.index("| **fail**") < page.index("| pass")
    assert "saw x\\|y |" in page
    assert "[report](http://mlflow/1)" in page


def test_the_page_says_who_is_to_act():
    """Broken data asks for a person in the title; drift starts a retraining, unless the file does without."""

    def titled(subject: Subject, on_alarm: bool = True) -> str:
        found = judge_window([Finding(rule="a", subject=subject, result="fail", detail="x")])
        return render_findings("m", AS_OF, found, {}, on_alarm).splitlines()[0]

    assert titled("quality").endswith(": alarm, for a person")
    assert titled("drift").endswith(": alarm, for retraining")
    assert titled("drift", on_alarm=False).endswith(": alarm, for a person")


def test_the_page_says_what_a_measurement_remarks():
    """What a step has to say beside its findings stands above them."""
    page = render_findings(
        "m", AS_OF, judge_window([Finding(rule="a", result="pass")]), {}, True, ["A remark."]
    )
    assert page.index("A remark.") < page.index("| pass")


def test_links_are_named_by_their_subject():
    """Each measurement that has a page is linked; one without is left out."""
    drift = Measurement(subject="drift", findings=(), figures={"drift.share": 0.1}, url="u", report="r")
    quality = Measurement(subject="quality", findings=(), figures={"quality.failed": 0.0}, url=None)
    assert collect_links((drift, quality)) == {"report of drift": "r", "MLflow run of drift": "u"}


def test_drift_that_alarms_nobody_is_announced(
    project: Callable[..., Project], remember: Callable[[ModuleType], Any]
) -> None:
    """The verdict passes with what drifted in its reason, the page says so, and an event tells people once a moment."""
    record = remember(module)
    drift = Finding(rule="no column drifts", subject="drift", result="fail", noted=True, detail="temp 2.10")
    well = Finding(rule="r", subject="performance", result="pass")
    for findings, told in (((well, drift), ["drift.found"]), ((well,), [])):
        record.told.clear()
        measured = Measurement(subject="drift", findings=findings, figures={}, url=None)
        verdict = module.report_monitoring.function(project(), (measured,), AS_OF)
        assert verdict.passed
        assert [event["kind"] for event in record.told] == told
    assert "no harm so far: temp 2.10" in render_findings("m", AS_OF, judge_window([well, drift]), {})
    assert (
        render_findings("m", AS_OF, judge_window([well, drift]), {})
        .splitlines()[0]
        .endswith("drift, no alarm")
    )
