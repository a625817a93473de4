"""What a second demonstration does with the state of the first."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from regrow.base.errors import StateError
from regrow.demo.story import Story, open_story, save_story
from regrow.services.commands import ALL_SERVICES
from regrow.services.ownership import held

STORY = Story(started=datetime(2013, 4, 1, tzinfo=UTC), first_version_reason="good enough")


def test_unfinished_story_goes_on(tmp_path: Path) -> None:
    """A demonstration that was killed goes on with what it had."""
    save_story(tmp_path, STORY)
    assert open_story(tmp_path) == STORY


def test_finished_story_starts_anew(tmp_path: Path) -> None:
    """A demonstration that came to its end leaves nothing for the next one."""
    save_story(tmp_path, STORY.model_copy(update={"complete": True}))
    (tmp_path / "tables").mkdir()
    assert open_story(tmp_path).first_version_reason == ""
    assert not (tmp_path / "tables").exists()


def test_state_in_use_is_kept(tmp_path: Path) -> None:
    """While the servers of the last demonstration run, its state is not deleted under them."""
    save_story(tmp_path, STORY.model_copy(update={"complete": True}))
    with held(tmp_path, ALL_SERVICES), pytest.raises(StateError):
        open_story(tmp_path)
    assert (tmp_path / "demo.json").exists()


def test_work_of_others_is_kept(tmp_path: Path) -> None:
    """A folder that no demonstration made is refused, and stays as it is."""
    (tmp_path / "postgres").mkdir()
    with pytest.raises(StateError, match="REGROW_HOME"):
        open_story(tmp_path)
    assert (tmp_path / "postgres").exists()
