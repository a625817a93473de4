"""What is true of a model in production: versions, the champion, and the ledger of who moved it and why.

All of it stands in the MLflow registry, as aliases and tags. A move writes its intent into the ledger first, then
the alias, then the outcome; whoever finds an intent without an outcome finishes it.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import httpx
import mlflow.models
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict

from regrow.errors import RegistryError, Unreachable
from regrow.results import Candidate, ModelFacts
from regrow.settings import load_settings

CHAMPION, PREVIOUS = "champion", "previous-champion"
LEDGER = "regrow.ledger."
FRESH = 10.0
"""Seconds for which an answer of the tracking server is taken to hold; a step would ask a dozen times."""
_answered: dict[str, float] = {}
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


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
    def metrics(self) -> dict[str, float]:
        """The metrics on its holdout when it was judged."""
        return json.loads(self.tags.get("regrow.metrics", "{}"))

    @property
    def candidate(self) -> Candidate:
        """The candidate that was registered as this version."""
        return Candidate(
            model_id=self.model_id, run_id=self.run_id, recipe=self.tags["regrow.recipe"], facts=self.facts
        )


class LedgerEntry(BaseModel):
    """One move of the champion: from which version to which, by whom, why, when, and how it ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    from_version: int | None
    to_version: int
    actor: str
    reason: str
    status: Literal["intended", "done", "put back"]

    @property
    def key(self) -> str:
        """The tag that holds the entry."""
        return f"{LEDGER}{self.at:%Y%m%dT%H%M%S.%f}-v{self.to_version}"


def connect() -> MlflowClient:
    """Give a client of the tracking server that the settings name.

    Raises `Unreachable` within five seconds where the server does not answer.
    """
    uri = load_settings().tracking_uri
    if uri.startswith("http") and time.monotonic() - _answered.get(uri, -math.inf) > FRESH:
        try:
            httpx.get(f"{uri}/health", timeout=5).raise_for_status()
        except httpx.HTTPError as error:
            raise Unreachable(
                f"MLflow does not answer at {uri} ({error}); start it with `regrow up`"
            ) from error
        _answered[uri] = time.monotonic()
    if mlflow.get_tracking_uri() != uri:
        mlflow.set_tracking_uri(uri)
    return MlflowClient(uri)


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Translate a failing registry into `Unreachable`: it is never taken for an absent version."""
    try:
        yield
    except MlflowException as error:
        message = f"{what}: MLflow at {load_settings().tracking_uri} failed ({error}); nothing was changed"
        raise Unreachable(message) from error


def champion(name: str) -> Version | None:
    """Give the version that serves as *name*'s champion; None where there is none yet.

    Raises `Unreachable` where the registry cannot say.
    """
    return by_alias(name, CHAMPION)


def by_alias(name: str, alias: str) -> Version | None:
    """Give the version of *name* that bears *alias*; None where none does."""
    client = connect()
    with reaching(f"alias {alias} of {name}"):
        try:
            return _version(client.get_model_version_by_alias(name, alias))
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise


def version(name: str, number: int) -> Version:
    """Give version *number* of *name*; raises `RegistryError` where there is none."""
    client = connect()
    with reaching(f"version {number} of {name}"):
        try:
            return _version(client.get_model_version(name, str(number)))
        except MlflowException as error:
            if error.error_code in _ABSENT:
                raise RegistryError(f"{name}: no version {number}; see its page in MLflow") from error
            raise


def rival(name: str, candidate: Candidate) -> Version | None:
    """Give the champion that *candidate* has to beat; None where there is none yet.

    Where *candidate* is the champion already (a flow that died after the move, or an unchanged run), it is the
    version before it, so that the same comparison is made again.
    """
    holder = champion(name)
    if holder is None or holder.model_id != candidate.model_id:
        return holder
    moves = [
        entry for entry in ledger(name) if entry.to_version == holder.number and entry.status != "put back"
    ]
    before = moves[-1].from_version if moves else None
    return None if before is None else version(name, before)


def register(name: str, candidate: Candidate, description: str, tags: dict[str, str]) -> Version:
    """Register *candidate* as a version of *name*, once: a candidate that has a version keeps it.

    Raises `RegistryError` where the candidate's upload never finished.
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


def promote(
    name: str, number: int, actor: str, reason: str, confirm: Callable[[], None] | None = None
) -> LedgerEntry:
    """Make version *number* the champion of *name*; doing it twice changes nothing.

    *confirm* proves that the version serves; where it raises, the version before it is put back and the error goes on.
    """
    client = connect()
    with reaching(f"promotion of {name} version {number}"):
        holder = champion(name)
        entry = _intent(client, name, number, holder, actor, reason)
        if holder is None or holder.number != number or entry.status == "intended":
            client.set_registered_model_alias(name, CHAMPION, str(number))
            if entry.from_version is not None:
                client.set_registered_model_alias(name, PREVIOUS, str(entry.from_version))
    if confirm and entry.status == "intended":
        try:
            confirm()
        except Unreachable:
            with reaching(f"return of {name} to version {entry.from_version}"):
                _put_back(client, name, entry)
            raise
    return _write(client, name, entry.model_copy(update={"status": "done"}))


def ledger(name: str) -> list[LedgerEntry]:
    """Give every move of *name*'s champion, oldest first."""
    client = connect()
    with reaching(f"ledger of {name}"):
        try:
            tags = client.get_registered_model(name).tags
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return []
            raise
    keys = sorted(key for key in tags if key.startswith(LEDGER))
    return [LedgerEntry.model_validate_json(tags[key]) for key in keys]


@lru_cache(maxsize=256)
def read_facts(model_id: str) -> ModelFacts:
    """Read what the stored model *model_id* says of itself; a stored model never changes."""
    connect()
    with reaching(f"facts of {model_id}"):
        metadata = mlflow.models.get_model_info(f"models:/{model_id}").metadata or {}
    if "regrow" not in metadata:
        raise RegistryError(f"models:/{model_id}: not logged by Regrow; train it with a project file")
    return ModelFacts.model_validate(metadata["regrow"])


def _intent(
    client: MlflowClient, name: str, number: int, holder: Version | None, actor: str, reason: str
) -> LedgerEntry:
    """Find the move to *number* that is under way or done last, or write the intent of a new one."""
    moves = ledger(name)
    if moves and moves[-1].to_version == number and moves[-1].status != "put back":
        return moves[-1]
    before = holder.number if holder and holder.number != number else None
    now = datetime.fromtimestamp(time.time(), UTC)
    entry = LedgerEntry(
        at=now, from_version=before, to_version=number, actor=actor, reason=reason[:4000], status="intended"
    )
    return _write(client, name, entry)


def _put_back(client: MlflowClient, name: str, entry: LedgerEntry) -> None:
    """Undo *entry*: the alias goes back to the version before it, or away where there was none."""
    if entry.from_version is None:
        client.delete_registered_model_alias(name, CHAMPION)
    else:
        client.set_registered_model_alias(name, CHAMPION, str(entry.from_version))
    _write(client, name, entry.model_copy(update={"status": "put back"}))


def _write(client: MlflowClient, name: str, entry: LedgerEntry) -> LedgerEntry:
    """Write *entry* over what the ledger holds under its key."""
    client.set_registered_model_tag(name, entry.key, entry.model_dump_json())
    return entry


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
