"""Disk, clock and libraries."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

from regrow.services.doctor.machine import look_at_clock, look_at_disk, look_at_libraries


class Usage(NamedTuple):
    """What a file system tells of its room."""

    total: float
    used: float
    free: float


@pytest.mark.parametrize(("free", "health"), [(0.5e9, "wrong"), (3e9, "warning"), (80e9, "well")])
def test_a_full_disk_is_told_before_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, health: str
) -> None:
    """Under a gigabyte is wrong, under five is worth a look; what is not well has a remedy."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100e9, 0, free))
    folder, disk = look_at_disk(tmp_path)
    assert (folder.health, disk.health) == ("well", health)
    assert bool(disk.remedy) == (health != "well")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_wrong(tmp_path: Path) -> None:
    """A state folder that does not exist is told with what to do, and is not made."""
    (found,) = look_at_disk(tmp_path / "none")
    assert found.health == "wrong" and "regrow up" in found.remedy
    assert not (tmp_path / "none").exists()


def test_a_clock_that_was_set_back_is_told(tmp_path: Path) -> None:
    """A log from the future shows that the clock was set back; one of a moment ago shows nothing."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "up.log"
    log.write_text("")
    written = log.stat().st_mtime
    assert look_at_clock(tmp_path, written + 5).health == "well"
    back = look_at_clock(tmp_path, written - 7200)
    assert back.health == "wrong" and "2 h from the future" in back.found


def installed(**versions: str) -> Callable[[str], str | None]:
    """Return what looks up *versions*."""
    return versions.get


def test_libraries_that_break_regrow_are_wrong_and_other_changes_are_told() -> None:
    """A version out of bounds is wrong, one that is not the lock's is worth a look, the lock's own is well."""
    needed, locked = [Requirement("alchemy>=2.0,<2.1")], {"alchemy": "2.0.3", "other": "1"}
    cases = {"2.1.0": "wrong", "2.0.4": "warning", "2.0.3": "well"}
    for version, health in cases.items():
        (found,) = look_at_libraries(needed, locked, installed(alchemy=version))
        assert found.health == health
    (missing,) = look_at_libraries(needed, locked, installed())
    assert missing.health == "wrong" and "alchemy is missing" in missing.found
