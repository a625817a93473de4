"""Remove pages of reports that are old; their figures stay."""

from datetime import datetime

from mlflow import MlflowClient
from prefect import task

from regrow import registry
from regrow.base.settings import load_settings
from regrow.data.tidying import Room, remove_old_files
from regrow.lineage import failed_by_outage
from regrow.lineage.removal import remove_files
from regrow.models.results import Removed
from regrow.project import Retention

TAG = "regrow.report"


def tidy_pages(client: MlflowClient, name: str, retention: Retention, as_of: datetime, dry_run: bool) -> Room:
    """Remove the pages that monitoring of the model *name* wrote longer ago than it keeps them."""
    before, room = int((as_of - retention.reports).timestamp() * 1000), Room()
    with registry.reaching(f"reports of {name}"):
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return room
        wanted = f"tags.`{TAG}` != '' and attributes.start_time < {before}"
        for run in client.search_runs([experiment.experiment_id], wanted, max_results=10_000):
            room += remove_files(str(run.info.artifact_uri), run.data.tags[TAG], dry_run)
            if not dry_run:
                client.delete_tag(run.info.run_id, TAG)
    return room


@task(retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=failed_by_outage)
def tidy_reports(rules: dict[str, Retention], as_of: datetime, dry_run: bool) -> tuple[Removed, ...]:
    """Remove old pages of each model in *rules*, and those that `regrow report` wrote into the state folder."""
    client, removed = registry.connect(), []
    for name, retention in sorted(rules.items()):
        room = tidy_pages(client, name, retention, as_of, dry_run)
        removed.append(Removed.made("reports", room, name))
    drawn = load_settings().home.absolute() / "reports"
    room = remove_old_files(drawn, Retention().reports.days, dry_run=dry_run)
    return (*removed, Removed.made("reports", room))
