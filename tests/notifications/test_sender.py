"""Sending goes on until the receiver takes it, across outages and restarts."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from regrow.base.errors import NotDelivered
from regrow.data.files import locked_file
from regrow.notifications import sender as module
from regrow.notifications.event import Event
from regrow.notifications.grouping import Message
from regrow.notifications.outbox import KEEP, Outbox
from regrow.notifications.sender import LOCK, Sender, run, start, tell_put_off
from regrow.project import Target
from regrow.project.notifications import KINDS

CHAT = Target(url_env="CHAT", severity="info")


class Receiver:
    """Takes messages, unless it is away."""

    def __init__(self) -> None:
        self.away, self.asked, self.got = False, 0, list[Message]()

    def __call__(self, message: Message) -> None:
        self.asked += 1
        if self.away:
            raise NotDelivered("environment variable CHAT did not take the message: status 503")
        self.got.append(message)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the one number that is the time since the start."""
    at = [1_000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: at[0])
    return at


def test_each_kind_of_event_arrives_once(
    tmp_path: Path, make_event: Callable[..., Event], now: datetime, clock: list[float]
) -> None:
    """The receiver is away for ten minutes and comes back: all is there, each once, though it was told thrice."""
    outbox, receiver = Outbox(tmp_path), Receiver()
    sender = Sender(outbox, receiver)
    told = [make_event(kind, cause=f"flow-{kind}") for kind in KINDS]
    receiver.away = True
    for second in range(0, 1_200, 2):
        clock[0] += 2
        if second in {0, 10, 300}:
            for each in told:
                outbox.put(each, [CHAT])
        receiver.away = second < 600
        sender.work(now + timedelta(seconds=second))
    got = [event.id for message in receiver.got for event in message.events]
    assert sorted(got) == sorted(each.id for each in told)
    assert receiver.asked - len(receiver.got) < 10 * len(told), "tried later and later, not each two seconds"
    assert outbox.waiting() == (0, 0.0)


def test_killed_after_delivery_it_is_the_same_message_again(
    tmp_path: Path, make_event: Callable[..., Event], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once: whoever dies before it removes the message sends it again, under the same id."""
    outbox, receiver = Outbox(tmp_path), Receiver()
    outbox.put(make_event(), [CHAT])
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "remove", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Sender(outbox, receiver).work(now)
    assert Sender(Outbox(tmp_path), receiver).work(now) == 1
    assert len({message.id for message in receiver.got}) == 1
    assert len(receiver.got) == 2
    assert Sender(Outbox(tmp_path), receiver).work(now) == 0


def test_one_receiver_that_is_away_holds_up_no_other(
    tmp_path: Path, make_event: Callable[..., Event], now: datetime
) -> None:
    """A message that is not taken waits alone."""
    outbox, got = Outbox(tmp_path), list[str]()

    def deliver(message: Message) -> None:
        if message.target.key == "env-AWAY":
            raise NotDelivered("away")
        got.append(message.target.key)

    outbox.put(make_event(), [Target(url_env="AWAY"), CHAT])
    assert Sender(outbox, deliver).work(now) == 1
    assert got == ["env-CHAT"]
    assert outbox.waiting()[0] == 1


def test_what_nobody_takes_is_given_up_in_the_end(
    tmp_path: Path, make_event: Callable[..., Event], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """The outbox does not grow for ever: after a month a message is dropped, and the log says so."""
    outbox, receiver = Outbox(tmp_path), Receiver()
    receiver.away = True
    outbox.put(make_event(), [CHAT])
    Sender(outbox, receiver).work(now)
    Sender(outbox, receiver).work(now + timedelta(seconds=KEEP + 1))
    assert outbox.messages() == []
    assert "given up" in caplog.text


def test_one_process_sends_and_another_takes_over(
    tmp_path: Path, make_event: Callable[..., Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process holds the lock nothing is sent; once it is gone, what waits is; a fault stops nothing."""
    receiver, stop, outbox = Receiver(), threading.Event(), Outbox(tmp_path)
    monkeypatch.setattr(module, "watch_disk", lambda _: ())
    monkeypatch.setattr(Sender, "__init__", patched_init(receiver))
    outbox.put(make_event(at=datetime.now(UTC) - timedelta(minutes=1)), [CHAT])
    with locked_file(outbox.folder / LOCK):
        thread = threading.Thread(target=run, args=(tmp_path, stop, 0.01))
        thread.start()
        time.sleep(0.2)
        assert receiver.asked == 0
    wait(lambda: receiver.got)
    stop.set()
    thread.join()
    assert len(receiver.got) == 1
    assert outbox.seen.exists()


def patched_init(receiver: Receiver) -> Callable[..., None]:
    original: Any = Sender.__init__
    return lambda self, outbox: original(self, outbox, receiver)


def test_prefect_is_told_later_what_it_missed(
    tmp_path: Path, make_event: Callable[..., Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happened while it was away is told once it answers, once."""
    outbox, told, silence = Outbox(tmp_path), list[Event](), ["away"]
    monkeypatch.setattr(module, "tell_prefect", told.append)
    monkeypatch.setattr(module, "why_silent", lambda *_, **__: silence[0])
    event = make_event("part.restarted", model=None)
    outbox.put_off(event)
    tell_put_off(outbox)
    assert told == []
    silence[0] = ""
    for _ in range(2):
        tell_put_off(Outbox(tmp_path))
    assert told == [event]


def wait(done: Callable[[], Any], patience: float = 60) -> None:
    """Wait until something is *done*."""
    until = time.monotonic() + patience
    while not done() and time.monotonic() < until:
        time.sleep(0.05)


def away_and_back(
    home: Path, webhook: Any, make_event: Callable[..., Event], monkeypatch: pytest.MonkeyPatch, away: float
) -> None:
    """Announce each kind of event to a receiver that is away for *away* seconds; each arrives once, by the thread."""
    monkeypatch.setenv("CHAT", webhook.address)
    monkeypatch.setattr(module, "watch_disk", lambda _: ())
    webhook.status, outbox = 503, Outbox(home)
    now = datetime.now(UTC) - timedelta(minutes=1)
    told = [make_event(kind, at=now, cause=f"flow-{kind}") for kind in KINDS]
    for each in told:
        outbox.put(each, [CHAT])
    stop = start(home)
    try:
        wait(lambda: webhook.got)
        time.sleep(away)
        webhook.status = 200
        wait(lambda: not outbox.waiting()[0], 2 * away + 60)
    finally:
        stop.set()
    got = [event["id"] for message in webhook.taken for event in message["events"]]
    assert sorted(got) == sorted(str(each.id) for each in told)


def test_a_webhook_that_was_away_gets_each_event_once(
    tmp_path: Path, webhook: Any, make_event: Callable[..., Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real HTTP: it refuses for a moment, is tried again, and then has one message of each kind."""
    monkeypatch.setattr(module, "FIRST_RETRY", 0.2)
    monkeypatch.setattr(module, "LONGEST_RETRY", 0.4)
    away_and_back(tmp_path, webhook, make_event, monkeypatch, 1.0)


@pytest.mark.long
@pytest.mark.timeout(2_400)
def test_a_webhook_that_was_away_for_ten_minutes_gets_each_event_once(
    tmp_path: Path, webhook: Any, make_event: Callable[..., Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with the pauses of production."""
    away_and_back(tmp_path, webhook, make_event, monkeypatch, 600.0)
