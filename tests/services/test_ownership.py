"""Who holds the state folder, and what is left of one that was killed."""

import json
import os
import sys
from pathlib import Path

import psutil
import pytest

from regrow.base.errors import StateError
from regrow.base.provenance import start_of
from regrow.services.ownership import (
    Record,
    close_home,
    describe,
    held,
    prepare_home,
    read_record,
    secret,
    stop_survivors,
    write_record,
)
from regrow.services.process import ServiceProcess, start_process


def test_a_state_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    """A state folder that cannot be written is a `StateError` that names REGROW_HOME."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="REGROW_HOME"):
        prepare_home(tmp_path / "file")


def left_over(folder: Path) -> ServiceProcess:
    """Start a process that a killed `regrow up` would leave."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    return start_process("left over", command, dict(os.environ), folder / "s.log", lambda: True)


def test_survivors_of_a_killed_start_are_stopped(tmp_path: Path) -> None:
    """The recorded process of a part that still runs is ended, and the record is forgotten."""
    process = left_over(tmp_path)
    with held(tmp_path, ["mlflow"]):
        write_record(tmp_path, "mlflow", Record(1, describe("left over", process.handle.pid)))
    assert stop_survivors(tmp_path, ["prefect"]) == []
    assert stop_survivors(tmp_path, ["mlflow"]) == ["left over"]
    assert start_of(process.handle.pid) is None
    assert read_record(tmp_path, "mlflow") is None
    assert stop_survivors(tmp_path, ["mlflow"]) == []


def test_survivors_of_a_first_version_are_stopped(tmp_path: Path) -> None:
    """What a killed `regrow up` of an earlier version has written down is ended too, and forgotten."""
    process = left_over(tmp_path)
    children = [
        ["left over", process.handle.pid, psutil.Process(process.handle.pid).create_time(), 15],
        ["a number that is used again", os.getpid(), 1.5, 15],
    ]
    (tmp_path / "up.json").write_text(json.dumps({"pid": 1, "children": children}))
    assert stop_survivors(tmp_path, []) == ["left over"]
    assert not (tmp_path / "up.json").exists()


def test_a_part_is_free_after_its_holder(tmp_path: Path) -> None:
    """A part is refused to a second holder, by name, and can be held again once it was let go of; others are free."""
    for _ in range(2):
        with (
            held(tmp_path, ["server"]),
            held(tmp_path, ["mlflow"]),
            pytest.raises(StateError, match="server is run already"),
            held(tmp_path, ["prefect", "server"]),
        ):
            pass


def test_a_broken_record_is_none(tmp_path: Path) -> None:
    """A record that a power cut has emptied is taken for none, and what was written is read back as it was."""
    with held(tmp_path, ["mlflow"]):
        (tmp_path / "parts" / "mlflow.json").write_text("")
        assert read_record(tmp_path, "mlflow") is None
        child = describe("this", os.getpid(), patience=45.0)
        write_record(tmp_path, "mlflow", Record(7, child, "down", restarts=2, last_end="exit code 1"))
        found = read_record(tmp_path, "mlflow")
    assert found is not None and found.child == child
    assert (found.pid, found.state, found.restarts, found.last_end) == (7, "down", 2, "exit code 1")


def test_the_state_folder_is_its_owners_alone(tmp_path: Path) -> None:
    """A new state folder is closed to others, and one of an earlier version is closed at the next start."""
    prepare_home(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    tmp_path.chmod(0o755)
    close_home(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_secret_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    """The first call makes a secret that nobody else can read; later ones return it; an empty file is none."""
    file = tmp_path / "password"
    file.touch(0o644)
    made = secret(file)
    assert len(made) >= 32
    assert secret(file) == made
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    secret(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret(tmp_path / "other") != made
