"""Follow a prediction or a version back to its data, its code, and whoever approved it."""

from collections.abc import Iterator

from mlflow import MlflowClient
from mlflow.entities import Run

from regrow import registry
from regrow.base.errors import RegistryError
from regrow.data.predictions import find_prediction
from regrow.data.served_rows import PREDICTION_ID
from regrow.data.snapshots import Snapshot
from regrow.lineage.record import time_range
from regrow.lineage.runs import FLOW, find_run, flow_run_of, run_url
from regrow.registry import Move, Version

Line = tuple[str, str]


def trace(target: str) -> list[Line]:
    """Return what stands behind *target*: a prediction_id, or a model URI (`models:/NAME/3`, `models:/NAME@champion`).

    Each line is a link's name and what stands there. Raises `RegistryError` if *target* is not known.
    """
    if target.startswith("models:/"):
        return list(_trace_version(find_version(target)))
    found = find_prediction(target)
    if found is None:
        raise RegistryError(
            f"{target}: no such prediction in the log; give a prediction_id, or models:/NAME/VERSION"
        )
    version = registry.version(found["model"], found["version"])
    return [*_trace_prediction(found), *_trace_version(version)]


def find_version(uri: str) -> Version:
    """Find the version that *uri* names."""
    rest = uri.removeprefix("models:/")
    if "@" in rest:
        name, alias = rest.split("@", 1)
        found = registry.by_alias(name, alias)
        if found is None:
            raise RegistryError(f"{uri}: no version of {name} bears the alias {alias}")
        return found
    name, _, number = rest.partition("/")
    if not number.isdigit():
        raise RegistryError(f"{uri}: give models:/NAME/VERSION or models:/NAME@ALIAS")
    return registry.version(name, int(number))


def _trace_prediction(found: dict[str, object]) -> Iterator[Line]:
    """Describe the logged prediction *found*."""
    yield "prediction", f"{found['prediction_id']} = {found['prediction']}"
    yield (
        "  entity",
        f"{found['entity_id']} at {found['event_time']:%Y-%m-%d %H:%M}, served {found['served_at']:%Y-%m-%d %H:%M:%S}",
    )


def _trace_version(version: Version) -> Iterator[Line]:
    """Trace *version* to its runs, data, file, code and approval."""
    client, tags = registry.connect(), version.tags
    fitted = client.get_run(version.run_id)
    yield "version", f"{version.name} version {version.number} ({tags.get('regrow.status', 'not judged')})"
    yield "  model", f"models:/{version.model_id}"
    yield "training run", _run_line(fitted)
    yield from _parent_lines(client, fitted)
    if version.facts.judged:
        yield "  judged as", f"models:/{version.facts.judged}, the same recipe fitted without the holdout"
    yield from _snapshot_lines("training", version.facts.training)
    yield from _snapshot_lines("holdout", version.facts.holdout)
    yield "project file", f"SHA-256 {tags.get('regrow.project', '?')}"
    yield "git commit", _commit(tags)
    yield "lock", f"SHA-256 {tags.get('regrow.lock', '?')}"
    yield "verdict", tags.get("regrow.verdict.reason") or tags.get("regrow.verdict", "none yet")
    yield from _move_lines(version, client, fitted.info.experiment_id)


def _move_lines(version: Version, client: MlflowClient, experiment_id: str) -> Iterator[Line]:
    """Yield every move that concerned *version*: who or what decided on it, and the flow run that carried it out."""
    for move in registry.ledger(version.name):
        rose = move.state.champion == version.number != move.before
        if move.version != version.number and not rose:
            continue
        flow_run_id = flow_run_of(move.actor)
        run = find_run(client, experiment_id, flow_run_id) if flow_run_id else None
        moved = f"from version {move.before}" if move.before else "the first champion"
        what = f"{moved} ({move.kind})" if rose else move.kind
        yield (
            "approved by" if rose else "moved by",
            f"{_decided_by(move, version, run)} at {move.at:%Y-%m-%d %H:%M:%S} UTC, {what}: {move.reason}",
        )
        if flow_run_id:
            yield "  in flow run", f"{flow_run_id}: {_flow_line(run) if run else 'MLflow has it no more'}"


def _decided_by(move: Move, version: Version, run: Run | None) -> str:
    """Return who or what decided on *move*, which *run* carried out: a rule of the project file, or a person."""
    if move.kind == "put back":
        return "the model server, which did not follow"
    if flow_run_of(move.actor) is None:
        return move.actor
    match run.data.tags.get(FLOW) if run else None:
        case "rollout":
            return "the rules of the rollout"
        case "train" | "retrain":
            override = version.tags.get("regrow.override")
            return (
                f"a person, who waived the gates ({override})"
                if override
                else "the gates of the project file"
            )
        case _:
            return "whoever started the flow run"


def _parent_lines(client: MlflowClient, fitted: Run) -> Iterator[Line]:
    """Describe the flow run that *fitted* belongs to."""
    parent_id = fitted.data.tags.get("mlflow.parentRunId")
    if parent_id is None:
        return
    parent = client.get_run(parent_id)
    yield "flow run", _flow_line(parent)
    yield "  MLflow", _run_line(parent)
    yield "  Prefect", parent.data.tags.get("prefect.url", "?")


def _flow_line(run: Run) -> str:
    """Describe the flow run whose parent run is *run*."""
    tags = run.data.tags
    return f"{tags.get(FLOW)} as of {tags.get('regrow.as_of')} ({tags.get('regrow.trigger')})"


def _snapshot_lines(name: str, snapshot: Snapshot) -> Iterator[Line]:
    """Describe *snapshot*."""
    times = time_range(snapshot)
    span = f", {times['start']} to {times['end']}" if times else ""
    yield f"{name} data", f"{snapshot.rows} rows{span}"
    yield "  SHA-256", snapshot.digest
    if PREDICTION_ID in snapshot.columns:
        ids = snapshot.read([PREDICTION_ID])[PREDICTION_ID]
        yield (
            "  learnt from",
            f"{len(ids)} logged predictions ({ids.iloc[0]} …): column {PREDICTION_ID} of {snapshot.uri}",
        )


def _run_line(run: Run) -> str:
    return run_url(run.info.experiment_id, run.info.run_id) or run.info.run_id


def _commit(tags: dict[str, str]) -> str:
    commit = tags.get("regrow.git.commit")
    if commit is None:
        return "none: the project file was not in a git repository"
    changes = {"true": " with uncommitted changes", "unknown": ", perhaps with uncommitted changes"}
    return f"{commit}{changes.get(tags.get('regrow.git.dirty', ''), '')}"
