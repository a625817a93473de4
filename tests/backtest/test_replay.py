"""The past lived through."""

from datetime import timedelta
from pathlib import Path

import pytest
from small_past import END, MONTH, START, Counting, history_of, live, past_rows, project_of

from regrow.backtest.policies import make_policies
from regrow.backtest.replay import timetables
from regrow.base.errors import DataError


def test_never_trains_never_and_each_model_is_trained_once(tmp_path: Path) -> None:
    """Five policies share the first model; the calendar's later ones are those of the file, if they fall together."""
    history, each = history_of(project_of(tmp_path), past_rows()), Counting()
    stories, _ = live(history, tmp_path / "kept", ("never", "30d", "drift", "harm", "file"), each)
    told = {story.policy.name: story for story in stories}
    assert told["never, gates none"].trained == []
    assert len({span.key for span in told["never, gates none"].spans}) == 1
    assert len(told["30d, gates none"].trained) == 2
    assert len(each.moments) == len(set(each.moments)) == 3


def test_the_turn_is_answered_and_its_answer_serves(tmp_path: Path) -> None:
    """The harm policy alarms after the turn, trains, and the last span is of the new model."""
    history = history_of(project_of(tmp_path), past_rows(turn=45))
    stories, kept = live(history, tmp_path / "kept", ("harm",))
    story = next(story for story in stories if story.policy.when == "harm")
    assert story.alarms
    assert story.promoted == [kept.read(key).as_of for key in story.trained]
    assert story.spans[-1].key != story.first


def test_a_killed_backtest_goes_on(tmp_path: Path) -> None:
    """What was trained before is not trained again."""
    history, dying, second = history_of(project_of(tmp_path), past_rows()), Counting(2), Counting()
    with pytest.raises(KeyboardInterrupt):
        live(history, tmp_path / "kept", ("30d",), dying)
    stories, _ = live(history, tmp_path / "kept", ("30d",), second)
    assert len(dying.moments) == 2
    assert len(second.moments) == 1
    third = Counting()
    assert live(history, tmp_path / "kept", ("30d",), third)[0] == stories
    assert third.moments == []


def test_the_breaker_asks_a_person(tmp_path: Path) -> None:
    """Challengers that are refused again and again end the policy's trainings."""
    project = project_of(tmp_path)
    rule = project.retraining.model_copy(update={"breaker": 1})
    history = history_of(project.model_copy(update={"retraining": rule}), past_rows(turn=33, count=1200))
    history = history_of(history.project, history.rows.assign(late=history.rows.index % 2))
    tables = timetables(START, END, timedelta(days=10), 1)
    stories, _ = live(history, tmp_path / "kept", ("drift",), None, ("proven",), tables)
    story = next(story for story in stories if story.policy.when == "drift")
    assert len(story.trained) == 1
    assert story.promoted == []
    assert story.asked is not None


def test_starts_lie_evenly_within_the_first_span() -> None:
    """Each ends with its last whole span; a past that is too short is an error."""
    tables = timetables(START, END, MONTH, 3)
    assert [table.moments[0] for table in tables] == [
        START + timedelta(days=10 * place) for place in range(3)
    ]
    assert all(table.moments[-1] <= END for table in tables)
    assert [len(table.moments) for table in tables] == [4, 3, 3]
    with pytest.raises(DataError, match="no whole span"):
        timetables(START, START + timedelta(days=3), MONTH, 1)


def test_a_past_that_nothing_can_be_learnt_from_is_an_error(tmp_path: Path) -> None:
    """It names the first moment."""
    history = history_of(project_of(tmp_path), past_rows().assign(late=1))
    with pytest.raises(DataError, match="nothing could be trained at 2024-01-31"):
        live(history, tmp_path / "kept", ("never",))


def test_policies_are_told_in_the_order_in_which_they_were_asked(tmp_path: Path) -> None:
    """Whichever ends first."""
    history = history_of(project_of(tmp_path), past_rows())
    stories, _ = live(history, tmp_path / "kept", ("30d", "never"), tables=timetables(START, END, MONTH, 2))
    names = [policy.name for policy in make_policies(history.project, ("30d", "never"), ["file"], ["none"])]
    assert [story.policy.name for story in stories] == names * 2
