"""What of a model must stay, however old: what its versions, its open rollout and its ledger refer to."""

import json
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from regrow import registry
from regrow.base.errors import RegistryError
from regrow.lineage.runs import FLOW_RUN, flow_run_of, flow_run_of_run, runs_of
from regrow.registry.connection import registered_models
from regrow.registry.versions import FILES


@dataclass(frozen=True)
class Needed:
    """What of one model must stay."""

    flow_runs: frozenset[str]
    """Flow runs that made a version, or that moved the model."""
    versions: frozenset[int]
    """Versions that serve, that have served, or that an alias names."""
    rollout: str | None
    """The open rollout."""


def needed_of(client: MlflowClient, name: str) -> Needed:
    """Return what of the model *name* must stay. Raises `Unreachable` if the registry does not answer."""
    found = registry.ledger(name)
    versions = {*found.aliases.values(), found.state.champion, found.state.challenger}
    for move in found:
        versions |= {move.version, move.before, move.state.champion, move.state.challenger}
    flow_runs = {flow_run_of(move.actor) for move in found}
    for version in versions_of(client, name):
        flow_runs |= {version.tags.get("regrow.flow_run"), flow_run_of_run(client, str(version.run_id or ""))}
    rollout = found.state.rollout
    return Needed(
        frozenset(each for each in flow_runs if each),
        frozenset(number for number in versions if number is not None),
        rollout.id if rollout else None,
    )


def versions_of(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Return every version of the model *name*."""
    with registry.reaching(f"versions of {name}"):
        return list(client.search_model_versions(f"name = '{name}'", max_results=10_000))


def models_of(client: MlflowClient) -> list[str]:
    """Return the names of all registered models."""
    with registry.reaching("the registered models"):
        return [model.name for model in registered_models(client)]


def snapshots_needed(client: MlflowClient, name: str) -> set[str]:
    """Return the digests of the snapshots that versions of *name* were made from, or judged by.

    Raises `Unreachable` if MLflow does not answer: what is needed is not known then.
    """
    needed: set[str] = set()
    for version in versions_of(client, name):
        needed |= _of_facts(version) | _of_runs(client, version)
    return needed


def _of_facts(version: ModelVersion) -> set[str]:
    """Return the snapshots that the stored model of *version* names; none if its files are gone, or not ours."""
    if FILES in version.tags:
        return set()
    try:
        facts = registry.read_facts(str(version.source).removeprefix("models:/"))
    except RegistryError:
        return set()
    return {facts.training.digest, facts.holdout.digest}


def _of_runs(client: MlflowClient, version: ModelVersion) -> set[str]:
    """Return the snapshots that the steps read which made and judged *version*."""
    flow_runs = {version.tags.get("regrow.flow_run"), flow_run_of_run(client, str(version.run_id or ""))}
    found: set[str] = set()
    for flow_run in sorted(each for each in flow_runs if each):
        with registry.reaching(f"runs of {version.name} version {version.version}"):
            for run in runs_of(client, version.name, f"tags.`{FLOW_RUN}` = '{flow_run}'"):
                found |= digests_read(run)
    return found


def digests_read(run: Run) -> set[str]:
    """Return the digests of the snapshots that *run* read or wrote."""
    inputs = run.inputs.dataset_inputs if run.inputs else ()
    profiles = [json.loads(each.dataset.profile or "{}") for each in inputs]
    return {profile["sha256"] for profile in profiles if "sha256" in profile}
