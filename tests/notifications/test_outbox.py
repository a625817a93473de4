"""What waits to be sent stands on the disk, once."""

import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from regrow.base.errors import StateError
from regrow.notifications.event import Event
from regrow.notifications.grouping import Queued, group
from regrow.notifications.outbox import KEEP, Outbox
from regrow.project import Target

CHAT, MAIL = Target(url_env="CHAT"), Target(secret="mail")  # noqa: S106


def pack(outbox: Outbox, now: datetime) -> None:
    found = group(outbox.queued(), outbox.silences(), now)
    outbox.pack(found.messages, found.used, found.silences)


def test_an_event_is_kept_once_for_each_target(tmp_path: Path, make_event: Callable[..., Event]) -> None:
    """Told again by a run that is retried, also after it was sent, it is not kept again."""
    outbox, told = Outbox(tmp_path), make_event()
    assert not outbox.knows(told.id)
    for _ in range(2):
        outbox.put(told, [CHAT, MAIL])
    assert [each.target for each in outbox.queued()] == [CHAT, MAIL]
    assert Outbox(tmp_path).knows(told.id)


def test_events_become_messages_that_stay_until_removed(
    tmp_path: Path, make_event: Callable[..., Event], now: datetime
) -> None:
    """Another process finds messages and silences as this one left them."""
    outbox = Outbox(tmp_path)
    outbox.put(make_event(), [CHAT, MAIL])
    assert outbox.waiting()[0] == 2
    pack(outbox, now)
    found = Outbox(tmp_path)
    assert found.queued() == []
    assert len(found.messages()) == len(found.silences()) == 2
    for message in found.messages():
        found.remove(message)
    assert (found.messages(), found.waiting()) == ([], (0, 0.0))


def test_killed_between_message_and_queue_nothing_is_told_twice(
    tmp_path: Path, make_event: Callable[..., Event], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message was written and its events still stand in the queue: the next pass drops them."""
    outbox = Outbox(tmp_path)
    outbox.put(make_event(), [CHAT])
    left = {path: path.read_bytes() for path in (outbox.folder / "queue").iterdir()}
    pack(outbox, now)
    for path, content in left.items():
        path.write_bytes(content)
    again = Outbox(tmp_path)
    again.put(make_event("run.failed"), [CHAT])
    pack(again, now)
    kinds = sorted(event.kind for message in again.messages() for event in message.events)
    assert kinds == ["alarm", "run.failed"]
    assert list((outbox.folder / "queue").iterdir()) == []


def test_a_broken_file_is_set_aside_and_the_others_go_on(
    tmp_path: Path, make_event: Callable[..., Event], queued: Callable[..., Queued]
) -> None:
    """A torn file does not hold up what stands beside it, and is kept to be looked at."""
    outbox = Outbox(tmp_path)
    outbox.put(make_event(), [CHAT])
    broken = outbox.folder / "queue" / "0~env-X.json"
    broken.write_text('{"event": ')
    assert len(outbox.queued()) == 1
    assert broken.with_suffix(".unreadable").exists()
    (outbox.folder / "told.json").write_text("{")
    assert outbox.silences() == {}


def test_what_was_told_long_ago_is_forgotten(tmp_path: Path, make_event: Callable[..., Event]) -> None:
    """The ids of told events do not pile up for ever; a young one stays."""
    outbox, old, young = Outbox(tmp_path), make_event(), make_event()
    outbox.put(old, ())
    outbox.put(young, ())
    long_ago = time.time() - KEEP - 60
    os.utime(outbox.folder / "known" / str(old.id), (long_ago, long_ago))
    outbox.tidy()
    assert (outbox.knows(old.id), outbox.knows(young.id)) == (False, True)


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(
    tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    """It names the folder."""
    (tmp_path / "notifications").write_text("a file")
    with pytest.raises(StateError, match="notifications"):
        Outbox(tmp_path).put(make_event(), [CHAT])
