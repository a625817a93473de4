"""Forget a person in everything that Regrow keeps of a model, and say which versions learnt from them."""

from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from pydantic import BaseModel, ConfigDict

from regrow import registry
from regrow.base.errors import RegistryError
from regrow.base.places import Place
from regrow.base.settings import load_settings
from regrow.data import erasure, store_files
from regrow.data.damaged_rows import erase_damaged_files, erase_set_aside
from regrow.data.upkeep import upkeep
from regrow.lineage.needed import digests_read, versions_of
from regrow.lineage.runs import runs_of
from regrow.registry.versions import FILES

RECORD = "record.jsonl"


class Forgotten(BaseModel):
    """What was erased, in numbers: it names nobody, so it may be kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    model: str
    by: str
    predictions: int
    labels: int
    set_aside: int
    """Lines of damaged journal files, and damaged files of tables."""
    look_at: tuple[str, ...] = ()
    """Damaged files that may still hold rows of the person: no program can read them."""
    snapshots: dict[str, str]
    """The digest of each snapshot from which rows were erased, and of the one that took its place."""
    rows: int
    """Rows that were erased from snapshots."""
    learnt: tuple[int, ...]
    """Versions that were trained on the person's rows, by what this call found."""
    judged: tuple[int, ...]
    """Versions that were judged on them."""


def forget(client: MlflowClient, model: str, entity: str, by: str, dry_run: bool = False) -> Forgotten:
    """Erase the rows of *entity* from what is kept of *model*, and keep a record of how much that was.

    A call that dies is made again: what is erased already is passed over. Raises `RegistryError` if no version of the
    model is known, `StateError` if rows are on their way into the tables and nobody writes them there, `Busy` if a
    backup is made meanwhile.
    """
    versions = versions_of(client, model)
    if not versions:
        raise RegistryError(f"{model}: no version is registered; see the names in `regrow status`")
    with upkeep(load_settings(), "regrow forget", needed=not dry_run):
        return _forget(client, model, versions, entity, by, dry_run)


def _forget(
    client: MlflowClient, model: str, versions: list[ModelVersion], entity: str, by: str, dry_run: bool
) -> Forgotten:
    """Do what `forget` says, of a *model* with *versions*, while nobody copies the state."""
    person = erasure.find_person(model, entity)
    if not dry_run:
        erasure.await_journal(model, person)
    # The log of predictions says which lines of labels are theirs, so it comes last.
    aside = erase_set_aside(model, person, dry_run) + erase_damaged_files(model, person, dry_run)
    labels = erasure.erase_labels(model, entity, dry_run)
    predictions = erasure.erase_predictions(model, entity, dry_run)
    columns, parts = set[str](), dict[int, tuple[str, str]]()
    for version in versions:
        if FILES not in version.tags:
            facts = registry.read_facts(str(version.source).removeprefix("models:/"))
            columns |= {name for name in (facts.entity or facts.id,) if name}
            parts[int(version.version)] = (facts.training.digest, facts.holdout.digest)
    found = {}
    for digest in sorted({each for part in parts.values() for each in part} | snapshots_of(client, model)):
        if rewritten := erasure.rewrite_snapshot(digest, [*columns, "entity_id"], entity, dry_run):
            found[digest] = rewritten
    if found:
        erasure.drop_samples(dry_run)
    told = Forgotten(
        at=datetime.now(UTC),
        model=model,
        by=by,
        predictions=predictions,
        labels=labels,
        set_aside=aside.lines,
        look_at=tuple(map(str, aside.unclear)),
        snapshots={one.before: one.after for one in found.values()},
        rows=sum(one.rows for one in found.values()),
        learnt=tuple(number for number, (training, _) in sorted(parts.items()) if training in found),
        judged=tuple(number for number, (_, holdout) in sorted(parts.items()) if holdout in found),
    )
    if not dry_run:
        _record(told)
    return told


def snapshots_of(client: MlflowClient, model: str) -> set[str]:
    """Return the digests of all snapshots that a run of *model* read or wrote."""
    with registry.reaching(f"runs of {model}"):
        return set[str]().union(*map(digests_read, runs_of(client, model, "")))


def _record(told: Forgotten) -> None:
    """Add *told* to the record of what was erased."""
    place = load_settings().erased / RECORD
    store_files.write(place, (_recorded(place) + told.model_dump_json()).encode() + b"\n")


def _recorded(place: Place) -> str:
    """Return the record at *place* as it is; empty if there is none yet."""
    try:
        return store_files.read(place).decode()
    except FileNotFoundError:
        return ""
