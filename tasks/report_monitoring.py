"""Judge the window and publish what was found."""

from collections.abc import Iterable
from datetime import datetime

from prefect.artifacts import create_markdown_artifact

from regrow.base.verdict import Verdict, to_markdown
from regrow.decisions.alarm import causes_of, judge_window, who_acts
from regrow.lineage import announce, current, step
from regrow.models.results import Measurement
from regrow.project import Project


def render_findings(
    name: str,
    as_of: datetime,
    verdict: Verdict,
    links: dict[str, str],
    on_alarm: bool = True,
    remarks: Iterable[str] = (),
) -> str:
    """Write *verdict* as Markdown, with the *links* and *remarks*; the title says who acts on an alarm."""
    noted = "drift, no alarm" if verdict.notes else "no alarm"
    alarm = f"alarm, for {_addressee(verdict, on_alarm)}" if verdict.failed else noted
    linked = " · ".join(f"[{text}]({link})" for text, link in links.items())
    return to_markdown(f"{name}, as of {as_of:%Y-%m-%d %H:%M} UTC: {alarm}", verdict, linked, *remarks)


def _addressee(verdict: Verdict, on_alarm: bool) -> str:
    """Name who acts on the alarm of *verdict*."""
    return "a person" if who_acts(causes_of(verdict), on_alarm) == "person" else "retraining"


def collect_links(measurements: tuple[Measurement, ...]) -> dict[str, str]:
    """Return the pages of *measurements*, each named by its subject."""
    links: dict[str, str] = {}
    for one in measurements:
        links |= {f"report of {one.subject}": one.report} if one.report else {}
        links |= {f"MLflow run of {one.subject}": one.url} if one.url else {}
    return links


@step(retries=2, retry_delay_seconds=[5, 30])
def report_monitoring(project: Project, measurements: tuple[Measurement, ...], as_of: datetime) -> Verdict:
    """Return the verdict on *measurements*, kept in MLflow and as the Prefect artifact `monitor-NAME`.

    Drift that alarms nobody is announced for people.
    """
    verdict = judge_window(finding for one in measurements for finding in one.findings)
    links = collect_links(measurements)
    remarks = [remark for one in measurements for remark in one.remarks]
    markdown = render_findings(project.name, as_of, verdict, links, project.retraining.on_alarm, remarks)
    run = current()
    run.verdict(verdict)
    run.log_text(markdown, "findings.md")
    create_markdown_artifact(markdown, key=f"monitor-{project.name}", description=verdict.reason[:500])
    if verdict.notes:
        tell_notes(project, verdict, as_of)
    return verdict


def tell_notes(project: Project, verdict: Verdict, as_of: datetime) -> None:
    """Announce what *verdict* notes and alarms nobody for: drift."""
    announce(
        project,
        "drift.found",
        "; ".join(note.detail for note in verdict.notes),
        about=", ".join(dict.fromkeys(note.subject for note in verdict.notes if note.subject)),
        key=as_of.isoformat(),
        as_of=as_of,
    )
