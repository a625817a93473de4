"""Remove the files of versions that never served."""

from datetime import UTC, datetime, timedelta

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from prefect import task

from regrow import registry
from regrow.base.settings import load_settings
from regrow.data.tidying import Room
from regrow.lineage import failed_by_outage
from regrow.lineage.needed import Needed, needed_of, versions_of
from regrow.lineage.removal import remove_files
from regrow.models.results import Removed
from regrow.project import Retention
from regrow.registry.connection import is_absent
from regrow.registry.versions import FILES, JUDGED


def due_versions(
    versions: list[ModelVersion], needed: Needed, kept: timedelta, as_of: datetime
) -> list[ModelVersion]:
    """Return those of *versions* with files that never served and are older than *kept* at *as_of*."""
    before = int((as_of - kept).timestamp() * 1000)
    return [
        version
        for version in versions
        if int(version.version) not in needed.versions
        and FILES not in version.tags
        and (version.creation_timestamp or before) < before
        and str(version.source).startswith("models:/m-")
    ]


def remove_model(client: MlflowClient, version: ModelVersion, dry_run: bool) -> Room:
    """Remove the stored model of *version*, and the one that was judged for it.

    The tag comes first, so that nobody returns to what is half gone.
    """
    what = f"{version.name} version {version.version}"
    models = [str(version.source).removeprefix("models:/"), (version.tags or {}).get(JUDGED)]
    room = Room(1)
    with registry.reaching(f"files of {what}"):
        places = {model_id: _place_of(client, model_id) for model_id in models if model_id}
        if not dry_run:
            now = datetime.now(UTC).isoformat()
            client.set_model_version_tag(version.name, str(version.version), FILES, f"removed {now}")
        for model_id, place in places.items():
            if place:
                room += Room(0, remove_files(place, dry_run=dry_run).bytes)
                if not dry_run:
                    client.delete_logged_model(model_id)
    return room


def _place_of(client: MlflowClient, model_id: str) -> str | None:
    """Return where the files of the logged model *model_id* are; None if MLflow has it no more."""
    try:
        return str(client.get_logged_model(model_id).artifact_location)
    except MlflowException as error:
        if not is_absent(error):
            raise
        return None


@task(retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=failed_by_outage)
def tidy_versions(rules: dict[str, Retention], as_of: datetime, dry_run: bool) -> tuple[Removed, ...]:
    """Remove the files of old versions that never served, of each model in *rules*.

    A stored result may name one, so they stay longer than results do.
    """
    client, removed = registry.connect(), []
    least = timedelta(days=load_settings().results_days + 1)
    for name, retention in sorted(rules.items()):
        kept = max(retention.versions, least)
        due = due_versions(versions_of(client, name), needed_of(client, name), kept, as_of)
        room = sum((remove_model(client, version, dry_run) for version in due), Room())
        removed.append(Removed.made("versions", room, name))
    return tuple(removed)
