"""Fit a version once more, from what was kept of it, and compare its answers: `regrow reproduce`."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run

from regrow import registry
from regrow.base import provenance
from regrow.base.errors import DataError, RegistryError
from regrow.data.snapshots import Snapshot, erased_to
from regrow.lineage.trace import find_version
from regrow.models.recipe import refit_recipe
from regrow.models.stored import CODE_FOLDER, LoadedModel, load_model
from regrow.project import Project, read_project
from regrow.project.imports import STORED_CODE, hook_file
from regrow.registry import Version, read_facts
from regrow.registry.versions import FILES


@dataclass(frozen=True)
class Reproduced:
    """What came of fitting a version again."""

    model: str
    version: int
    estimator: str
    fitted: int
    """Rows that it was fitted on."""
    compared: int
    """Rows of its holdout on which both answered."""
    different: int
    """Rows of these on which the answers are not equal to the last bit."""
    distance: float
    """The largest distance between two answers."""
    changed: tuple[str, ...]
    """What is not as it was when the version was made."""


def reproduce(target: str) -> Reproduced:
    """Fit the version *target* (`models:/NAME/3`, `models:/NAME@champion`) again, and compare it with the stored one.

    It is fitted on the rows that were kept, by the project file and the team's own code that were kept, with what a
    search had chosen. Nothing is written. Raises `RegistryError` if something of that is gone, `SnapshotError` if rows
    are.
    """
    version = find_version(target)
    if FILES in version.tags:
        raise RegistryError(
            f"{target}: the files of version {version.number} are gone ({version.tags[FILES]})"
        )
    stored = load_model(f"models:/{version.model_id}")
    facts = stored.facts
    before = read_facts(facts.judged) if facts.judged else facts
    name, parent = f"{version.name} version {version.number}", _parent_of(version)
    with tempfile.TemporaryDirectory(prefix="regrow-reproduce-") as folder:
        project = _project_of(name, parent, stored, Path(folder))
        rows = facts.training.read()
        earlier = rows if before.training.digest == facts.training.digest else before.training.read()
        pipeline, _ = refit_recipe(project, facts.window, stored.contract, earlier, rows, facts.chosen)
        again = replace(stored, pipeline=pipeline, folder=None)
        holdout = facts.holdout.read()
        distances = (
            np.abs(again.predict(holdout) - stored.predict(holdout)).reshape(len(holdout), -1).max(axis=1)
        )
    return Reproduced(
        model=version.name,
        version=version.number,
        estimator=project.training.estimator,
        fitted=len(rows),
        compared=len(holdout),
        different=int((distances != 0).sum()),
        distance=float(distances.max(initial=0.0)),
        changed=tuple(_changes(parent, stored, (before.training, facts.training))),
    )


def _parent_of(version: Version) -> Run:
    """Return the MLflow run of the flow run that made *version*; raise `RegistryError` if none is known."""
    client, name = registry.connect(), f"{version.name} version {version.number}"
    with registry.reaching(f"the project file of {name}"):
        parent = client.get_run(version.run_id).data.tags.get("mlflow.parentRunId")
        if parent is None:
            raise RegistryError(f"{name}: its project file is not in MLflow (run {version.run_id})")
        return client.get_run(parent)


def _project_of(name: str, parent: Run, stored: LoadedModel, folder: Path) -> Project:
    """Put the project file that *parent* kept of the version *name*, and its own code, into *folder*, and read it."""
    run_id = parent.info.run_id
    with registry.reaching(f"the project file of {name}"):
        kept = registry.connect().list_artifacts(run_id, "project")
        if not kept:
            raise RegistryError(f"{name}: its project file is not in MLflow (run {run_id})")
        file = Path(download_artifacts(run_id=run_id, artifact_path=kept[0].path, dst_path=str(folder)))
    project = read_project(file)
    code = {STORED_CODE.sub("", each): each for each in stored.facts.code}
    for reference in project.training.own_code:
        wanted = hook_file(project.path, reference)
        if stored.folder is None or wanted.stem not in code:
            raise DataError(f"{name}: it was stored without {wanted.name}")
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.write_bytes((stored.folder / CODE_FOLDER / f"{code[wanted.stem]}.py").read_bytes())
    return project


def _changes(parent: Run, stored: LoadedModel, rows: tuple[Snapshot, ...]) -> Iterator[str]:
    """Yield what is not as it was in *parent*: libraries, Regrow's code, erased *rows*."""
    yield from map(str, stored.changed)
    if parent.data.tags.get("regrow.code") != provenance.code_digest():
        yield "Regrow's own code"
    if any(erased_to(each.digest) for each in rows):
        yield "rows were erased (`regrow forget`)"
