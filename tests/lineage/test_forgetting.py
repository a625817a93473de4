"""Everything that is kept of a person is erased, and the record names nobody."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from regrow.base.errors import Busy, RegistryError
from regrow.base.settings import load_settings
from regrow.data import upkeep as upkeep_module
from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.lineage import forgetting
from regrow.lineage.forgetting import forget

ADA = "ada-17"


class Page(list[Any]):
    """A page of results as MLflow returns it: a list with a token."""

    token = ""


def read_by(*snapshots: Snapshot) -> Any:
    """Return a client of an experiment with one run that read *snapshots*."""
    inputs = [
        SimpleNamespace(
            dataset=SimpleNamespace(source_type="local", profile=json.dumps({"sha256": one.digest}))
        )
        for one in snapshots
    ]
    run = SimpleNamespace(inputs=SimpleNamespace(dataset_inputs=inputs))
    return SimpleNamespace(
        get_experiment_by_name=lambda _: SimpleNamespace(experiment_id="1"),
        search_runs=lambda *_, **__: Page([run]),
    )


@pytest.mark.parametrize("dry_run", [True, False])
def test_versions_that_learnt_from_a_person_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    """Snapshots of versions and of runs lose the rows; a dry run counts the same and changes nothing."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    training, holdout, raw = (
        write_snapshot(pd.DataFrame({"who": people, "n": [float(place)] * len(people)}))
        for place, people in enumerate([[ADA, "bob"], ["eve"], [ADA, ADA, "bob", "eve"]])
    )
    facts = {
        "m-1": SimpleNamespace(entity="who", id="id", training=training, holdout=holdout),
        "m-2": SimpleNamespace(entity="who", id=None, training=holdout, holdout=training),
    }
    versions = [
        SimpleNamespace(version=str(place + 1), source=f"models:/{name}", tags={})
        for place, name in enumerate(facts)
    ]
    versions.append(SimpleNamespace(version="3", source="models:/gone", tags={"regrow.files": "removed"}))
    monkeypatch.setattr(forgetting, "versions_of", lambda *_: versions)
    monkeypatch.setattr(forgetting.registry, "read_facts", facts.__getitem__)
    told = forget(read_by(raw, holdout), "m", ADA, "the officer", dry_run)
    assert (told.rows, told.learnt, told.judged) == (3, (1,), (2,))
    assert set(told.snapshots) == {training.digest, raw.digest}
    assert sorted(raw.read()["who"]) == sorted([*([ADA] * 2 if dry_run else []), "bob", "eve"])
    record = tmp_path / "erased/record.jsonl"
    assert record.exists() != dry_run
    if not dry_run:
        assert json.loads(record.read_text())["by"] == "the officer"
        assert ADA not in record.read_text()


def test_nobody_is_forgotten_while_the_state_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup holds the files until its end; a dry run changes nothing and needs no wait."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    monkeypatch.setattr(upkeep_module, "PATIENCE", 0.0)
    monkeypatch.setattr(
        forgetting, "versions_of", lambda *_: [SimpleNamespace(version="1", tags={"regrow.files": ""})]
    )
    with upkeep_module.upkeep(load_settings(), "regrow backup"):
        assert forget(read_by(), "m", ADA, "the officer", dry_run=True).rows == 0
        monkeypatch.setattr(upkeep_module.time, "sleep", lambda _: None)
        with pytest.raises(Busy, match="regrow backup"):
            forget(read_by(), "m", ADA, "the officer")


def test_a_model_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip of the pen must not look like an erasure."""
    monkeypatch.setattr(forgetting, "versions_of", lambda *_: [])
    with pytest.raises(RegistryError, match="no version is registered"):
        forget(read_by(), "m", ADA, "the officer")
