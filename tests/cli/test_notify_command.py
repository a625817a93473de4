"""`regrow notify`: a test to every target, and what waits."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from regrow.base.errors import NotDelivered
from regrow.base.settings import load_settings
from regrow.notifications import sender, sending
from regrow.notifications.event import Event
from regrow.notifications.grouping import Message
from regrow.notifications.outbox import Outbox
from regrow.project import Project, Target


@pytest.fixture
def got(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Message]:
    """Return what the receivers get; the one called AWAY takes nothing."""
    received: list[Message] = []

    def send(message: Message) -> None:
        if message.target.url_env == "AWAY":
            raise NotDelivered("environment variable AWAY is not set")
        received.append(message)

    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REGROW_CONFIGS", str(tmp_path))
    monkeypatch.setattr(sending, "send", send)
    monkeypatch.setattr(sender.Sender.__init__, "__defaults__", (send,))
    return received


def test_a_test_reaches_every_target(
    run: Callable[..., Any], got: list[Message], project: Callable[..., Project]
) -> None:
    """Each target of the project files is told that it is a test; one that takes it not is an error and says why."""
    project(notifications=[{"url_env": "CHAT"}, {"url_env": "MAIL", "severity": "error"}])
    result = run("notify", "--test")
    assert result.exit_code == 0, result.output
    assert sorted(message.target.key for message in got) == ["env-CHAT", "env-MAIL"]
    assert "a test by" in got[0].events[0].reason
    project(notifications=[{"url_env": "AWAY"}])
    result = run("notify", "--test")
    assert result.exit_code == 1
    assert "AWAY is not set" in result.output


def test_without_a_target_it_says_where_to_name_one(run: Callable[..., Any], got: list[Message]) -> None:
    """Nothing to send is no error."""
    result = run("notify", "--test")
    assert result.exit_code == 0
    assert "docs/notifications.md" in result.output


def test_what_waits_is_sent(run: Callable[..., Any], got: list[Message]) -> None:
    """Without a runner the command sends, and says what still waits."""
    at = datetime.now(UTC) - timedelta(minutes=1)
    told = Event(
        id=uuid4(), kind="alarm", severity="warning", at=at, model="m", about="drift", reason="r", cause="c"
    )
    Outbox(load_settings().home).put(told, [Target(url_env="CHAT"), Target(url_env="AWAY")])
    result = run("notify")
    assert result.exit_code == 0, result.output
    assert "1 delivered, 1 wait" in result.output
    assert [message.target.key for message in got] == ["env-CHAT"]
