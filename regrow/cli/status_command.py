"""The command on all models at once: status."""

import json as json_text
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from regrow.cli.arguments import Json
from regrow.cli.log import quiet
from regrow.cli.printing import open_console

if TYPE_CHECKING:
    from regrow.lineage.status import LastRun, ModelStatus, Status


def status(json: Json = False) -> None:
    """Show every model: champion, rollout, last training and monitoring, labels, next runs; change nothing."""
    from regrow.base.settings import apply_environment, load_settings
    from regrow.services.projects import find_projects

    settings = load_settings()
    apply_environment(settings)
    with quiet("asking the servers"):
        from regrow.lineage.status import read_status

        found = find_projects(settings.configs)
        told = read_status(settings, [project.name for project in found.projects])
    if json:
        sys.stdout.write(json_text.dumps(told.model_dump(mode="json"), indent=2) + "\n")
        return
    console = open_console()
    if told.models:
        console.print(status_table(told, datetime.now(UTC)))
    else:
        console.print(found.describe([]), markup=False, highlight=False, soft_wrap=True)
    for line in (*told.away, *(f"left out: {problem}" for problem in found.problems)):
        console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)


def status_table(told: "Status", now: datetime) -> Table:
    """Return a line for each model; times are how long ago, or until, *now*."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in (
        "model",
        "champion",
        "rollout",
        "last training",
        "last monitoring",
        "newest label",
        "next runs",
    ):
        table.add_column(heading)
    for model in told.models:
        table.add_row(*map(Text, _cells(model, now)))
    return table


def _cells(model: "ModelStatus", now: datetime) -> tuple[str, ...]:
    """Return the cells of *model*."""
    since = f", {ago(model.since, now)}" if model.since else ""
    champion = f"version {model.champion}{since}" if model.champion else "-"
    rollout = f"version {model.challenger}: {model.rollout}" if model.rollout else "-"
    coming = sorted((moment, flow) for flow, moment in model.next_runs.items())
    return (
        model.name,
        champion,
        rollout,
        _last(model.training, now),
        _last(model.monitoring, now),
        ago(model.newest_label, now) if model.newest_label else "-",
        ", ".join(f"{flow} {moment:%m-%d %H:%M}" for moment, flow in coming) or "-",
    )


def _last(run: "LastRun | None", now: datetime) -> str:
    """Return what *run* came to, and how long ago."""
    if run is None:
        return "-"
    came_to = run.result if run.state == "finished" else run.state
    return f"{came_to or 'finished'}, {ago(run.began, now)}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long before *now* the *moment* was, in its largest unit."""
    seconds = int((now - moment).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now" if seconds > -60 else f"{moment:%Y-%m-%d %H:%M}"
