"""Who copies the state and who removes its files wait for each other."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from regrow.base.errors import Busy, StateError, StoreAway
from regrow.base.settings import Settings
from regrow.data import upkeep as module
from regrow.data.stores import make_store
from regrow.data.upkeep import upkeep, upkeep_if_free


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Name a state folder of the test's own."""
    return Settings(home=tmp_path / "home")


def test_the_second_says_who_holds_the_state(settings: Settings) -> None:
    """It does nothing, and names the first, its process, and what to do; a dry run needs nothing."""
    with upkeep(settings, "regrow backup"):
        with (
            pytest.raises(
                Busy, match=rf"regrow backup \(process {os.getpid()} on .*\) holds .*; wait for its end"
            ),
            upkeep(settings, "tidy", patience=0, report=lambda _: None),
        ):
            pytest.fail("both at once")
        with (
            upkeep(settings, "tidy", needed=False, patience=0),
            upkeep_if_free(settings, "compaction") as free,
        ):
            assert not free
    with upkeep_if_free(settings, "compaction") as free:
        assert free


def test_the_second_waits_for_the_first(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says once that it waits, and goes on as soon as the first has ended."""
    told, pauses, first = list[str](), list[float](), ExitStack()
    first.enter_context(upkeep(settings, "tidy"))

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            first.close()

    monkeypatch.setattr(module.time, "sleep", pause)
    with upkeep(settings, "regrow backup", report=told.append):
        assert len(pauses) == 3
    [line] = told
    assert line.startswith("tidy (process") and line.endswith("regrow backup waits for its end")


def test_nothing_is_copied_or_removed_while_the_store_is_away(settings: Settings) -> None:
    """A backup without the tables, or a tidying that finds no file, would look like a good one."""
    make_store(settings.tables)
    settings.tables.rename(settings.home / "elsewhere")
    with pytest.raises(StoreAway, match="tables"), upkeep(settings, "regrow backup"):
        pytest.fail("it went on")


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A state folder that is a file is an error that names it."""
    (tmp_path / "home").write_text("a file")
    with pytest.raises(StateError, match="home"), upkeep(Settings(home=tmp_path / "home"), "tidy"):
        pytest.fail("it went on")
