"""What goes of the state folder."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from regrow.base.settings import Settings
from tasks import tidy_files as module
from tasks.tidy_files import tidy_logs, tidy_results, tidy_snapshots, tidy_tables

CLIENT: Any = None


def write(path: Path, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 10)
    moment = time.time() - days * 86_400
    os.utime(path, (moment, moment))
    return path


def test_results_go_before_the_snapshots_that_they_name(tmp_path: Path) -> None:
    """A result is gone while its snapshot is still there; settings that would turn this round are refused."""
    settings = Settings(home=tmp_path)
    write(tmp_path / "results/abc", 40)
    assert tidy_results(settings, dry_run=False).count == 1
    with pytest.raises(ValueError, match="REGROW_SNAPSHOTS_DAYS"):
        Settings(home=tmp_path, results_days=90)


def test_a_snapshot_that_a_version_needs_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of old ones those go that no version of any model needs, and notes of old samples."""
    settings = Settings(home=tmp_path)
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    monkeypatch.setattr(module, "models_of", lambda _: ["a", "b"])
    monkeypatch.setattr(module, "snapshots_needed", lambda _, name: {f"of-{name}"})
    folder = tmp_path / "snapshots"
    kept = [write(folder / f"of-{name}.parquet", 200) for name in "ab"] + [write(folder / "x.parquet", 1)]
    gone = [write(folder / "y.parquet", 200), write(folder / "samples/y.json", 200)]
    assert tidy_snapshots(CLIENT, settings, dry_run=False).count == 2
    assert [path.exists() for path in (*kept, *gone)] == [True, True, True, False, False]


def test_logs_are_put_aside_once(tmp_path: Path) -> None:
    """A copy is no log that grows, and tables that are not there take no time."""
    settings = Settings(home=tmp_path, log_mb=1)
    log = tmp_path / "logs/mlflow.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * (2**20 + 1))
    assert tidy_logs(settings, dry_run=False).count == 1
    (tmp_path / "logs/mlflow.1.log").write_bytes(b"x" * (2**20 + 1))
    assert tidy_logs(settings, dry_run=False).count == 0
    assert tidy_tables(settings, dry_run=False) == []
    of_postgres = tmp_path / "postgres/log"
    of_postgres.parent.mkdir()
    with of_postgres.open("ab", buffering=0) as appending:
        appending.write(b"x" * (2**20 + 1))
        assert tidy_logs(settings, dry_run=False).count == 1
        appending.write(b"goes on")
    assert of_postgres.read_bytes() == b"goes on"
