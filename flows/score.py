"""Score a period of the source in batch."""

from datetime import datetime
from pathlib import Path

from prefect import flow

from regrow.base.verdict import Verdict
from regrow.data.times import as_utc
from regrow.lineage import announce_failure, flow_run, open_project
from regrow.models.results import Scored
from tasks.await_start import await_start
from tasks.find_champion import find_champion
from tasks.score_rows import score_rows


@flow(
    name="score",
    flow_run_name="score-{config.stem}",
    on_failure=[announce_failure],
    on_crashed=[announce_failure],
)
def score(
    config: Path,
    start: datetime | None = None,
    end: datetime | None = None,
    alias: str | None = None,
    as_of: datetime | None = None,
    trigger: str = "manual",
) -> Scored | Verdict:
    """Predict the source's rows of a period, or what is new, and keep each prediction once.

    Args:
        config: The project file: the model's YAML file.
        start: First event time of the period (UTC); empty: the beginning, if `end` is given.
        end: Event time that ends the period (UTC), itself left out; empty: the moment of the run. Without both, what is
            new: `scoring.window` of the project file, or what came since the last run without a period ended.
        alias: Registry alias of the version that predicts, `champion`: the one of `as_of`; empty: that of the project
            file, `scoring.version`. With another one the next run begins where it would have without this run.
        as_of: The moment that the run pretends is now (UTC); empty: now.
        trigger: What started the run; kept with it.

    """
    project = open_project(config)
    with flow_run(project, trigger, as_of) as run:
        if awaited := await_start(project, trigger, run.as_of, "score"):
            run.verdict(awaited)
            return awaited
        named = alias or project.scoring.version
        version = find_champion(project, run.as_of, named)
        first, last = (moment and as_utc(moment) for moment in (start, end))
        return score_rows(project, version, first, last, run.as_of, named)
