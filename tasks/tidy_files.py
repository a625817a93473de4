"""Remove stored results, and snapshots that no version needs, that are old; compact the tables; put logs aside."""

from mlflow import MlflowClient
from prefect import task

from regrow import registry
from regrow.base.settings import Settings, load_settings
from regrow.data.snapshots import erased_to
from regrow.data.tidying import Room, put_log_aside, remove_old_files, tables_of, tidy_table
from regrow.lineage import failed_by_outage
from regrow.lineage.needed import models_of, snapshots_needed
from regrow.models.results import Removed

MEGABYTE = 2**20


def tidy_results(settings: Settings, dry_run: bool) -> Removed:
    """Remove stored results of steps that are older than the settings keep them."""
    room = remove_old_files(settings.home.absolute() / "results", settings.results_days, dry_run=dry_run)
    return Removed.made("results", room)


def tidy_snapshots(client: MlflowClient, settings: Settings, dry_run: bool) -> Removed:
    """Remove snapshots, and samples of them, that were not written or used for long and that no version needs."""
    needed: set[str] = set()
    for name in models_of(client):
        needed |= snapshots_needed(client, name)
    kept = {f"{erased_to(digest) or digest}.parquet" for digest in needed}
    room = remove_old_files(settings.snapshots, settings.snapshots_days, kept, dry_run)
    return Removed.made("snapshots", room)


def tidy_tables(settings: Settings, dry_run: bool) -> list[Removed]:
    """Compact and vacuum the tables of every model."""
    rooms: dict[str, Room] = {}
    for model, path in tables_of(settings):
        rooms[model] = rooms.get(model, Room()) + tidy_table(path, settings, dry_run)
    return [Removed.made("tables", room, model) for model, room in rooms.items()]


def tidy_logs(settings: Settings, dry_run: bool) -> Removed:
    """Put aside the logs that have grown too long, PostgreSQL's among them."""
    home = settings.home.absolute()
    logs = [*sorted((home / "logs").glob("*.log")), home / "postgres" / "log"]
    grown = [log for log in logs if not log.name.endswith((".1.log", ".previous.log"))]
    room = sum((put_log_aside(log, settings.log_mb * MEGABYTE, dry_run) for log in grown), Room())
    return Removed.made("logs", room)


@task(retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=failed_by_outage)
def tidy_files(dry_run: bool) -> tuple[Removed, ...]:
    """Tidy the state folder: first the results, which name snapshots, then the snapshots, tables and logs."""
    settings = load_settings()
    results = tidy_results(settings, dry_run)
    snapshots = tidy_snapshots(registry.connect(), settings, dry_run)
    return (results, snapshots, *tidy_tables(settings, dry_run), tidy_logs(settings, dry_run))
