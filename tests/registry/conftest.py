"""Versions without files, on the real MLflow store, and a picture of all that the registry shows of a model."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from model_facts import make_facts

from regrow import registry
from regrow.lineage import find_experiment
from regrow.models.results import Candidate
from regrow.registry import Version


@pytest.fixture
def name(services: object) -> str:
    return f"registry-{uuid4().hex[:8]}"


def log_candidate(name: str, status: LoggedModelStatus = LoggedModelStatus.READY) -> Candidate:
    """Log a model without files."""
    client = registry.connect()
    experiment = find_experiment(client, name)
    run = client.create_run(experiment)
    model = client.create_logged_model(experiment, name="model", source_run_id=run.info.run_id)
    client.finalize_logged_model(model.model_id, status)
    return Candidate(model_id=model.model_id, run_id=run.info.run_id, recipe="recipe", facts=make_facts())


def register_version(name: str) -> Version:
    return registry.register(name, log_candidate(name), "a card", {"regrow.trigger": "manual"})


@pytest.fixture
def candidate() -> Callable[..., Candidate]:
    return log_candidate


@pytest.fixture
def registered() -> Callable[[str], Version]:
    return register_version


@pytest.fixture
def with_versions() -> Callable[[str, int], str]:
    """Register some versions of a model, all of one candidate: nothing here looks into them."""

    def make(name: str, count: int) -> str:
        client, made = registry.connect(), log_candidate("shared")
        client.create_registered_model(name)
        for _ in range(count):
            client.create_model_version(name, made.uri, made.run_id)
        return name

    return make


@pytest.fixture
def picture() -> Callable[[str], dict[str, Any]]:
    """Describe all that the registry shows of a model, but for what differs between any two writers."""
    return draw


def draw(name: str) -> dict[str, Any]:
    client = registry.connect()
    model = client.get_registered_model(name)
    tags = dict(model.tags)
    run_id = tags.pop("regrow.moves", None)
    if "regrow.move" in tags:
        tags["regrow.move"] = plain(json.loads(tags["regrow.move"]))
    return {
        "aliases": dict(model.aliases),
        "tags": tags,
        "ledger": [plain(move.model_dump(mode="json")) for move in registry.ledger(name)],
        "file": [plain(move) for move in read_file(client, run_id)],
        "versions": {
            version.version: version.tags.get("regrow.status")
            for version in client.search_model_versions(f"name = '{name}'")
        },
    }


def plain(move: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in move.items() if key not in {"id", "at", "as_of"}}


def read_file(client: MlflowClient, run_id: str | None) -> list[dict[str, Any]]:
    from mlflow.artifacts import load_text

    if run_id is None or "ledger.json" not in [found.path for found in client.list_artifacts(run_id)]:
        return []
    return json.loads(load_text(f"{client.get_run(run_id).info.artifact_uri}/ledger.json"))
