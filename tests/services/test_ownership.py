"""Who holds the state folder, and what is left of one that was killed."""

import os
import sys
from pathlib import Path

import pytest

from regrow.errors import StateError
from regrow.services.ownership import describe, held, prepare_home, stop_survivors, write_record
from regrow.services.process import start_process, started_at


def test_a_state_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    """A state folder that cannot be written is a `StateError` that names REGROW_HOME."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="REGROW_HOME"):
        prepare_home(tmp_path / "file")


def test_survivors_of_a_killed_start_are_stopped(tmp_path: Path) -> None:
    """Recorded processes that still run are ended, and the record is forgotten."""
    process = start_process(
        "left over",
        [sys.executable, "-c", "import time; time.sleep(60)"],
        dict(os.environ),
        tmp_path / "s.log",
        lambda: True,
    )
    write_record(tmp_path, [describe("left over", process.handle.pid)])
    assert stop_survivors(tmp_path) == ["left over"]
    assert started_at(process.handle.pid) is None
    assert stop_survivors(tmp_path) == []


def test_a_lock_is_free_after_the_holder(tmp_path: Path) -> None:
    """The folder is refused to a second holder, and can be held again once it was let go of."""
    for _ in range(2):
        with held(tmp_path), pytest.raises(StateError), held(tmp_path):
            pass
