"""Remove what is old and what no version, rollout, verdict or ledger needs."""

from datetime import UTC, datetime

from prefect import flow

from regrow.base.settings import load_settings
from regrow.data.times import as_utc
from regrow.data.upkeep import upkeep
from regrow.lineage import announce_failure
from regrow.models.results import Removed
from tasks.read_retention import read_retention
from tasks.report_tidying import report_tidying
from tasks.tidy_files import tidy_files
from tasks.tidy_reports import tidy_reports
from tasks.tidy_runs import tidy_runs
from tasks.tidy_versions import tidy_versions


@flow(name="tidy", flow_run_name="tidy", on_failure=[announce_failure], on_crashed=[announce_failure])
def tidy(
    as_of: datetime | None = None, dry_run: bool = False, trigger: str = "manual"
) -> tuple[Removed, ...]:
    """Remove reports, runs and versions by each model's `retention`, then old files of the state folder.

    A run that is stopped is simply run again. It waits for the end of `regrow backup` and `regrow forget`.

    Args:
        as_of: The moment that the run pretends is now (UTC); empty: now. Files are old by the clock all the same.
        dry_run: Only count what would be removed.
        trigger: What started the run: `manual` or `schedule`.

    """
    moment = as_utc(as_of or datetime.now(UTC))
    with upkeep(load_settings(), "tidy", needed=not dry_run):
        rules = read_retention()
        reports = tidy_reports(rules, moment, dry_run)
        runs = tidy_runs(rules, moment, dry_run)
        versions = tidy_versions(rules, moment, dry_run)
        return report_tidying((*reports, *runs, *versions, *tidy_files(dry_run)), dry_run)
