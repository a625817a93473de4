"""Registered model versions: what one says of itself, and which of them is called what."""

import json
from functools import lru_cache

import mlflow.models
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict

from regrow.base.errors import RegistryError
from regrow.base.tracking import CHAMPION
from regrow.models.results import Candidate, ModelFacts, judged_uri
from regrow.registry.connection import connect, is_absent, reaching

CHALLENGER, PREVIOUS = "challenger", "previous-champion"
FILES = "regrow.files"
"""Tag of a version that never served and whose files were removed: when."""

JUDGED = "regrow.judged"
"""Tag of a version that was fitted again: the model of the same recipe that was judged for it."""


class Version(BaseModel):
    """A registered model version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    number: int
    model_id: str
    run_id: str
    tags: dict[str, str]

    @property
    def facts(self) -> ModelFacts:
        """What the stored model says of itself."""
        return read_facts(self.model_id)

    @property
    def judged_uri(self) -> str:
        """The URI of the model that was judged on the holdout, and has not seen it."""
        return judged_uri(self.model_id, self.facts)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics on its holdout when it was judged."""
        return json.loads(self.tags.get("regrow.metrics", "{}"))

    @property
    def metrics_rows(self) -> int | None:
        """How many rows `metrics` are of; None of a version that Regrow 0.1 registered."""
        rows = self.tags.get("regrow.metrics_rows")
        return None if rows is None else int(rows)

    @property
    def metrics_errors(self) -> dict[str, float]:
        """Standard errors of `metrics`, from unit to unit; none of a version of before 0.4."""
        return json.loads(self.tags.get("regrow.metrics_errors", "{}"))

    @property
    def candidate(self) -> Candidate:
        """The candidate that was registered as this version."""
        return Candidate(
            model_id=self.model_id, run_id=self.run_id, recipe=self.tags["regrow.recipe"], facts=self.facts
        )


def champion(name: str) -> Version | None:
    """Return the version that is the champion of *name*; None if there is none yet.

    Raises `Unreachable` if the registry does not answer.
    """
    return by_alias(name, CHAMPION)


def by_alias(name: str, alias: str) -> Version | None:
    """Return the version of *name* that bears *alias*; None if none does."""
    client = connect()
    with reaching(f"alias {alias} of {name}"):
        try:
            return _version(client.get_model_version_by_alias(name, alias))
        except MlflowException as error:
            if is_absent(error):
                return None
            raise


def version(name: str, number: int) -> Version:
    """Return version *number* of *name*; raises `RegistryError` if there is none."""
    client = connect()
    with reaching(f"version {number} of {name}"):
        try:
            return _version(client.get_model_version(name, str(number)))
        except MlflowException as error:
            if is_absent(error):
                raise RegistryError(f"{name}: no version {number}; see its page in MLflow") from error
            raise


def register(name: str, candidate: Candidate, description: str, tags: dict[str, str]) -> Version:
    """Register *candidate* as a version of *name*, once: a candidate that has a version keeps it.

    Raises `RegistryError` if the candidate's upload never finished.
    """
    client = connect()
    with reaching(f"registration of {name}"):
        status = str(client.get_logged_model(candidate.model_id).status)
        if status != "READY":
            raise RegistryError(f"{candidate.uri}: its upload never finished (status {status}); train again")
        _create_model(client, name)
        found = find_registered(client, name, candidate)
        if found:
            return found
        created = client.create_model_version(
            name,
            candidate.uri,
            candidate.run_id,
            tags={**tags, "regrow.recipe": candidate.recipe},
            description=description,
            model_id=candidate.model_id,
        )
    return _version(created)


def find_registered(client: MlflowClient, name: str, candidate: Candidate) -> Version | None:
    """Find the version that *candidate* has already."""
    versions = [
        _version(found) for found in client.search_model_versions(f"name = '{name}'", max_results=10_000)
    ]
    same = [found for found in versions if found.model_id == candidate.model_id]
    return min(same, key=lambda found: found.number) if same else None


@lru_cache(maxsize=256)
def read_facts(model_id: str) -> ModelFacts:
    """Read what the stored model *model_id* says of itself; a stored model never changes."""
    connect()
    with reaching(f"facts of {model_id}"):
        metadata = mlflow.models.get_model_info(f"models:/{model_id}").metadata or {}
    if "regrow" not in metadata:
        raise RegistryError(f"models:/{model_id}: not logged by Regrow; train it with a project file")
    return ModelFacts.read(metadata["regrow"])


def _create_model(client: MlflowClient, name: str) -> None:
    """Create the registered model *name* unless it exists."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version(found: ModelVersion) -> Version:
    """Read *found* into our own type."""
    return Version(
        name=found.name,
        number=int(found.version),
        model_id=str(found.source).removeprefix("models:/"),
        run_id=str(found.run_id or ""),
        tags=dict(found.tags or {}),
    )
