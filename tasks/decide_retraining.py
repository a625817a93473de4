"""Ask the policy whether to train again."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from prefect.artifacts import create_markdown_artifact

from regrow import registry
from regrow.base.verdict import Subject, Verdict, to_markdown
from regrow.data.sources import read_source
from regrow.data.times import in_utc
from regrow.data.told_labels import told_targets
from regrow.decisions.retraining import Situation, event_of, judge_retraining
from regrow.decisions.units import units_of
from regrow.lineage import FLOW_RUN, RunRecord, announce, current, effective_flow_runs, step
from regrow.lineage.needed import versions_of
from regrow.lineage.runs import BY_SCHEDULE, FLOW
from regrow.notifications.event import figures_of
from regrow.project import Project
from regrow.project.schedules import period_of
from regrow.registry import Version

AUTOMATIC = frozenset({BY_SCHEDULE, "alarm"})
"""What starts a retraining that no person asked for."""
REFUSED = frozenset({"refused", "rolled back", "put back", "not better"})
"""The statuses of a version that led nowhere."""
NEVER = datetime.max.replace(tzinfo=UTC).isoformat()


def count_new_labels(project: Project, champion: Version, as_of: datetime) -> tuple[int, int]:
    """Count the rows of the source whose label is known at *as_of* and was not when *champion* was trained.

    A label that was told of a row counts as its target does, for a training learns it too.
    Returns the rows, and the units that they lie on. Without a timestamp it is the rows that the source holds beyond
    those that the champion was made from, each taken for a unit.
    """
    facts, data = champion.facts, project.data
    seen = [moment for moment in (facts.training.end, facts.holdout.end) if moment is not None]
    columns = [data.target]
    if data.timestamp is None or not seen:
        rows = read_source(project, as_of, as_of, columns=columns, as_of=as_of)
        new = max(int(have_labels(project, rows, as_of).sum()) - facts.rows_known, 0)
        return new, new
    newest = pd.Timestamp(max(seen))
    newest = newest.tz_localize("UTC") if newest.tzinfo is None else newest
    rows = read_source(
        project, newest.to_pydatetime(), as_of - data.label_delay, columns=columns, as_of=as_of
    )
    rows = rows[(in_utc(rows[data.timestamp]) > newest).to_numpy()]
    new = rows[have_labels(project, rows, as_of, newest.to_pydatetime()).to_numpy()]
    return len(new), units_of(new, data).count


def have_labels(
    project: Project, rows: pd.DataFrame, as_of: datetime, start: datetime | None = None
) -> pd.Series:
    """Return which of *rows*, of events since *start*, have a target, or a label that was told until *as_of*."""
    found = rows[project.data.target].notna()
    return found if found.all() else found | told_targets(project, rows, as_of, start).notna()


def watched_windows(run: RunRecord, project: Project, as_of: datetime) -> list[bool]:
    """Return of each window that was watched until *as_of* whether it had an alarm, the newest first.

    As far back as the policy asks: quiet runs are not kept for ever, and without them old alarms would count.
    """
    asked = project.retraining.alarms.of
    if asked == 1:
        return []
    period = timedelta(seconds=period_of(project, "monitor") or 0)
    first = as_of - asked * max(project.monitoring.window, period)
    found = run.client.search_runs(
        [run.experiment_id], f"tags.`{FLOW}` = 'monitor' and tags.`regrow.verdict.decision` = 'monitor'",
        order_by=["attributes.start_time ASC"], max_results=10_000,
    )  # fmt: skip
    tags = [each.data.tags for each in found if "regrow.as_of" in each.data.tags]
    alarmed = {
        datetime.fromisoformat(each["regrow.as_of"]): each["regrow.verdict"] == "fail" for each in tags
    }
    return [alarmed[moment] for moment in sorted(alarmed, reverse=True) if first < moment <= as_of]


def refused_in_a_row(versions: Iterable[ModelVersion], as_of: datetime, forced: datetime | None) -> list[int]:
    """Return which of *versions* were refused since the last one that took over until *as_of*, the newest first.

    Versions that a person trained are nobody's circle, and do not count. What came before a person *forced* a
    retraining was looked at.
    """
    row: list[int] = []
    for version in sorted(versions, key=lambda each: int(each.version), reverse=True):
        tags = version.tags or {}
        made = datetime.fromisoformat(tags.get("regrow.as_of", as_of.isoformat()))
        if made > as_of:
            continue
        status = tags.get("regrow.status", "")
        if status.startswith("promoted") or (forced is not None and made < forced):
            break
        if status in REFUSED and tags.get("regrow.trigger") in AUTOMATIC:
            row.append(int(version.version))
    return row


def last_forced(run: RunRecord, as_of: datetime) -> datetime | None:
    """Return the last moment until *as_of* as of which a person forced a retraining; None if nobody did."""
    found = run.client.search_runs(
        [run.experiment_id], "tags.`regrow.step` = 'decide_retraining' and tags.`regrow.forced` = 'True'"
    )
    moments = (datetime.fromisoformat(each.data.tags.get("regrow.as_of", NEVER)) for each in found)
    return max((moment for moment in moments if moment <= as_of), default=None)


def open_challenger(project: Project, as_of: datetime) -> int | None:
    """Return the version whose rollout is open; None if none is, or it is what a run of the same *as_of* started."""
    number = registry.state(project.name).challenger
    if number is None or registry.version(project.name, number).tags.get("regrow.as_of") == as_of.isoformat():
        return None
    return number


def see(run: RunRecord, project: Project, champion: Version, as_of: datetime) -> Situation:
    """Return what the policy is asked about at *as_of*."""
    labels, units = count_new_labels(project, champion, as_of)
    trained = champion.tags.get("regrow.as_of")
    return Situation(
        past=past_retrainings(run),
        new_labels=labels,
        new_units=units,
        unit=project.data.sampling_unit,
        trained=datetime.fromisoformat(trained) if trained else None,
        windows=watched_windows(run, project, as_of),
        challenger=open_challenger(project, as_of),
        refused=refused_in_a_row(versions_of(run.client, project.name), as_of, last_forced(run, as_of)),
    )


def past_retrainings(run: RunRecord) -> list[datetime]:
    """List the moments as of which other flow runs trained again, of those that ended well or are at work.

    One that failed or was killed made nothing: its repetition takes its place.
    """
    own = run.client.get_run(run.run_id).data.tags
    decided = (
        "tags.`regrow.verdict.decision` = 'retrain' and tags.`regrow.verdict` = 'pass' "
        f"and tags.`regrow.step` = '{own['regrow.step']}'"
    )
    decisions = [
        found.data.tags
        for found in run.client.search_runs([run.experiment_id], decided, max_results=10_000)
        if "regrow.as_of" in found.data.tags
    ]
    others = {tags[FLOW_RUN] for tags in decisions} - {own[FLOW_RUN]}
    counted = effective_flow_runs(run.client, run.experiment_id, others)
    return [datetime.fromisoformat(tags["regrow.as_of"]) for tags in decisions if tags[FLOW_RUN] in counted]


@step(retries=2, retry_delay_seconds=[5, 30])
def decide_retraining(
    project: Project,
    champion: Version,
    trigger: str,
    as_of: datetime,
    *,
    reason: str = "",
    causes: tuple[Subject, ...] = (),
    force: bool = False,
) -> Verdict:
    """Judge *trigger* by the project's policy; *reason* and *causes* are what the alarm said."""
    run = current()
    seen = see(run, project, champion, as_of)
    verdict = judge_retraining(project.retraining, trigger, as_of, seen, causes=causes, force=force)
    run.tag(
        as_of=as_of.isoformat(),
        trigger=trigger,
        trigger_reason=reason,
        causes=", ".join(causes),
        forced=force,
    )
    run.verdict(verdict)
    if verdict.failed:
        tell(project, verdict, as_of)
    markdown = render_decision(project.name, as_of, verdict, reason)
    create_markdown_artifact(markdown, key=f"retrain-{project.name}", description=verdict.reason[:500])
    return verdict


def tell(project: Project, verdict: Verdict, as_of: datetime) -> None:
    """Announce that no retraining follows, and whether a person must act."""
    if kind := event_of(verdict):
        announce(project, kind, verdict.reason, figures=figures_of(verdict), as_of=as_of)


def render_decision(name: str, as_of: datetime, verdict: Verdict, reason: str) -> str:
    """Write *verdict* as Markdown."""
    title = (
        f"{'Retraining' if verdict.passed else 'No retraining'} of {name}, as of {as_of:%Y-%m-%d %H:%M} UTC"
    )
    return to_markdown(title, verdict, f"Asked because: {reason}" if reason else "")
