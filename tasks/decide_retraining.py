"""Ask the policy whether to train again."""

from datetime import datetime

import pandas as pd
from prefect.artifacts import create_markdown_artifact

from regrow.data.sources import read_source
from regrow.data.times import in_utc
from regrow.decisions.retraining import BUDGET, judge_retraining
from regrow.lineage import FLOW_RUN, RunRecord, announce, current, effective_flow_runs, step
from regrow.notifications.event import figures_of
from regrow.project import Project
from regrow.registry import Version
from regrow.verdict import Subject, Verdict, to_markdown


def count_new_labels(project: Project, champion: Version, as_of: datetime) -> int:
    """Count the rows of the source whose label is known at *as_of* and was not when *champion* was trained.

    Without a timestamp it is the rows that the source holds beyond those that the champion was made from.
    """
    facts, delay = champion.facts, project.data.label_delay
    seen = [moment for moment in (facts.training.end, facts.holdout.end) if moment is not None]
    if project.data.timestamp is None or not seen:
        rows = read_source(project, as_of, as_of, columns=[project.data.target], as_of=as_of)
        labelled = rows[project.data.target].notna().sum()
        return max(int(labelled) - facts.rows_known, 0)
    newest = pd.Timestamp(max(seen))
    newest = newest.tz_localize("UTC") if newest.tzinfo is None else newest
    rows = read_source(
        project, newest.to_pydatetime(), as_of - delay, columns=[project.data.target], as_of=as_of
    )
    times = in_utc(rows[project.data.timestamp])
    return int((rows[project.data.target].notna() & (times > newest)).sum())


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
    verdict = judge_retraining(
        project.retraining,
        trigger,
        as_of,
        past_retrainings(run),
        count_new_labels(project, champion, as_of),
        causes=causes,
        force=force,
    )
    run.tag(as_of=as_of.isoformat(), trigger=trigger, trigger_reason=reason, causes=", ".join(causes))
    run.verdict(verdict)
    if verdict.failed:
        tell(project, verdict, as_of)
    markdown = render_decision(project.name, as_of, verdict, reason)
    create_markdown_artifact(markdown, key=f"retrain-{project.name}", description=verdict.reason[:500])
    return verdict


def tell(project: Project, verdict: Verdict, as_of: datetime) -> None:
    """Announce that no retraining follows, and whether it is for want of budget."""
    spent = any(finding.rule.startswith(BUDGET) for finding in verdict.failures)
    kind = "retraining.budget-spent" if spent else "retraining.declined"
    announce(project, kind, verdict.reason, figures=figures_of(verdict), as_of=as_of)


def render_decision(name: str, as_of: datetime, verdict: Verdict, reason: str) -> str:
    """Write *verdict* as Markdown."""
    title = (
        f"{'Retraining' if verdict.passed else 'No retraining'} of {name}, as of {as_of:%Y-%m-%d %H:%M} UTC"
    )
    return to_markdown(title, verdict, f"Asked because: {reason}" if reason else "")
