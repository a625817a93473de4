"""Replay the flights' year: train on its first quarter, then serve, watch and retrain month by month."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from prefect.client.schemas.objects import FlowRun
from rich.console import Console

from regrow import registry
from regrow.base.verdict import Verdict
from regrow.data.sources import read_source
from regrow.decisions.alarm import causes_of, who_acts
from regrow.demo import orchestrator, page, rollouts, traffic
from regrow.demo.rollouts import Scene
from regrow.demo.story import Month, Story, save_story
from regrow.lineage import run_url
from regrow.lineage.runs import BY_SCHEDULE
from regrow.models.stored import LoadedModel, load_model
from regrow.project import Project
from regrow.services import Services

YEAR, FIRST_MONTH = 2013, 4


def replay(console: Console, services: Services, project: Project, story: Story) -> Story:
    """Let *project* live through the year with *services*, from where *story* stopped; return the whole story."""
    home = services.settings.home.absolute()
    if story.months:
        console.print(f"Going on after {story.months[-1].start:%B}.")
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(read_source, project, months()[0][0], months()[-1][1])
        story = train_first(console, project, home, story)
        first, year = load_model(f"models:/{registry.version(project.name, 1).model_id}"), reading.result()
    scene = Scene(services.server_url, project, first, home)
    for start, end in months()[len(story.months) :]:
        story = live_through(console, scene, story, year, start, end)
    return conclude(project, first, home, story, year)


def months() -> list[tuple[datetime, datetime]]:
    """Return the first moment of each replayed month, and of the month after it."""
    starts = [datetime(YEAR, month, 1, tzinfo=UTC) for month in range(FIRST_MONTH, 13)]
    return list(zip(starts, [*starts[1:], datetime(YEAR + 1, 1, 1, tzinfo=UTC)], strict=True))


def train_first(console: Console, project: Project, home: Path, story: Story) -> Story:
    """Train the first champion as of April, unless there is one."""
    if story.first_version_reason:
        return story
    with console.status("Training on January to March …"):
        run = orchestrator.run_flow("train", project, months()[0][0], "demo")
    reason = orchestrator.parent_run(project, run).data.tags["regrow.verdict.reason"]
    console.print(f"[bold]January to March[/bold]  trained version 1: {reason}")
    return save_story(home, story.model_copy(update={"first_version_reason": reason}))


def live_through(
    console: Console, scene: Scene, story: Story, year: pd.DataFrame, start: datetime, end: datetime
) -> Story:
    """Serve and watch the model in one month, whose rows are in *year*; retrain it if an alarm or its age asks."""
    project = scene.project
    with console.status(f"{start:%B}") as status:
        for doing in rollouts.live(scene, year, start, end):
            status.update(doing)
        version = registry.champion(project.name)
        status.update(f"{start:%B}: its labels arrive; monitoring …")
        asked = datetime.now(UTC)
        watched = orchestrator.run_flow("monitor", project, end, "demo")
        retrained = None
        alarm = orchestrator.read_verdict(orchestrator.parent_run(project, watched))
        if alarm.failed:
            if who_acts(causes_of(alarm), project.retraining.on_alarm) == "retraining":
                status.update(f"{start:%B}: alarm; waiting for the retraining that it starts …")
                retrained = orchestrator.await_retraining(project, asked)
        elif end < months()[-1][1]:  # After the year there is nothing left to answer.
            status.update(f"{start:%B}: no alarm; the schedule asks for the champion's age …")
            retrained = retrain_by_schedule(project, end)
    frame = traffic.rows_between(project, year, start, end)
    month = describe(scene, frame, start, end, watched, retrained)
    month = month.model_copy(update={"version": version.number if version else 0})
    for told in page.lines(month):
        console.print(told)
    return save_story(scene.home, story.model_copy(update={"months": (*story.months, month)}))


def retrain_by_schedule(project: Project, as_of: datetime) -> FlowRun | None:
    """Run the retraining that the file's schedule starts at *as_of*; return it, None if the policy declined."""
    run = orchestrator.run_flow("retrain", project, as_of, BY_SCHEDULE)
    declined = orchestrator.read_verdict(orchestrator.parent_run(project, run)).decision == "retrain"
    return None if declined else run


def describe(
    scene: Scene,
    frame: pd.DataFrame,
    start: datetime,
    end: datetime,
    watched: FlowRun,
    retrained: FlowRun | None,
) -> Month:
    """Read back from MLflow and the prediction log what a month brought."""
    project, first = scene.project, scene.first
    monitor = orchestrator.parent_run(project, watched)
    drift = orchestrator.nested_run(project, watched, "measure_drift")
    figures = drift.data.metrics if drift else {}
    drifted, share = int(figures["drift.columns"]), figures["drift.share"]
    scores = traffic.served_scores(project, frame, start, end)
    links = {"monitor": run_url(monitor.info.experiment_id, monitor.info.run_id) or ""}
    if drift and (report := orchestrator.report_path(scene.home, drift)):
        links["drift report"] = report
    alarm = orchestrator.read_verdict(monitor)
    fate = {"decision": "", "challenger": None, "reason": "", "gist": ""}
    if alarm.failed and not retrained:
        fate |= {"decision": "for a person", "reason": alarm.reason, "gist": "the data is broken"}
    if retrained:
        fate = read_fate(project, retrained)
        parent = orchestrator.parent_run(project, retrained)
        links["retraining"] = run_url(parent.info.experiment_id, parent.info.run_id) or ""
    return Month(
        start=start,
        rows=len(frame),
        version=0,
        drifted=drifted,
        columns=round(drifted / share) if share else len(first.features),
        share=share,
        served=traffic.auc(scores[project.data.target], scores["served"]),
        frozen=traffic.auc(scores[project.data.target], first.predict(scores)[:, -1]),
        alarm=alarm.reason if alarm.failed else "",
        failed=", ".join(causes_of(alarm)),
        **fate,
        endings=rollouts.endings(registry.ledger(project.name), start, end),
        links=links,
    )


def read_fate(project: Project, retrained: FlowRun) -> dict[str, Any]:
    """Read what became of a retraining: the decision, the version, and the figure that decided."""
    verdict = orchestrator.read_verdict(orchestrator.parent_run(project, retrained))
    registered = orchestrator.nested_run(project, retrained, "register")
    return {
        "decision": outcome(verdict),
        "challenger": int(registered.data.tags["regrow.version"]) if registered else None,
        "reason": verdict.reason,
        "gist": gist(verdict),
    }


def outcome(verdict: Verdict) -> str:
    """Return what a retraining's *verdict* came to, in a word or two."""
    if verdict.passed:
        return "rolling out"
    return {"retrain": "declined", "promote": "refused"}.get(verdict.decision, "put back")


def gist(verdict: Verdict) -> str:
    """Return the finding that decided: the first that did not pass, else the gain on the champion, with its bound."""
    against = [*verdict.failures, *(finding for finding in verdict.findings if finding.undecided)]
    compared = [finding for finding in verdict.findings if "the champion's" in finding.rule]
    told = [*against, *compared, *verdict.findings]
    if told and " than the " in told[0].rule and told[0].interval and told[0].figure is not None:
        return f"{told[0].figure:+.3f} (≥ {told[0].interval[0]:+.3f})"
    return told[0].detail if told else verdict.reason


def conclude(project: Project, first: LoadedModel, home: Path, story: Story, year: pd.DataFrame) -> Story:
    """Compare the two over all rows of the year at once, beside the months."""
    start, end = months()[0][0], months()[-1][1]
    scores = traffic.served_scores(project, year, start, end)
    target = scores[project.data.target]
    figures = {
        "pooled_served": traffic.auc(target, scores["served"]),
        "pooled_frozen": traffic.auc(target, first.predict(scores)[:, -1]),
    }
    return save_story(home, story.model_copy(update={**figures, "complete": True}))
