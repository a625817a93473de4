"""A message reaches webhooks and mailboxes, and no address is ever shown."""

import logging
import socket
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from regrow.base.errors import NotDelivered
from regrow.notifications.event import Event
from regrow.notifications.grouping import Message
from regrow.notifications.sending import find_address, redact, send
from regrow.project import Target

SECRET = "hunter2xyz"  # noqa: S105
"""Stands in the receiver's address."""


@pytest.fixture
def message(make_event: Callable[..., Event], now: datetime) -> Message:
    told = make_event(links={"Prefect run": "http://prefect/1"})
    return Message(id=told.id, at=now, target=Target(url_env="CHAT"), events=(told,))


def test_a_webhook_gets_title_body_id_and_events(
    webhook: Any, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON with the text for people and, for programs, the id to deduplicate by and the whole events."""
    monkeypatch.setenv("CHAT", webhook.address)
    send(message)
    [got] = webhook.got
    assert got["title"] == "[regrow warning] flights: alarm: drift"
    assert "http://prefect/1" in got["message"]
    assert (got["id"], got["type"]) == (str(message.id), "warning")
    assert [Event.model_validate(each) for each in got["events"]] == list(message.events)


class Mailbox:
    """Keeps the mails that an SMTP server takes."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.got.append(envelope.content.decode())
        return "250 taken"


def test_a_mail_arrives(message: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    """By SMTP, with the title as its subject and the id in its text."""
    mailbox = Mailbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        monkeypatch.setenv(
            "CHAT",
            f"mailto://127.0.0.1:{port}?from=regrow@example.org&to=ada@example.org&mode=insecure&format=text",
        )
        send(message)
    finally:
        controller.stop()
    [mail] = mailbox.got
    assert "flights: alarm: drift" in mail
    assert "ada@example.org" in mail


def test_a_receiver_that_refuses_is_told_without_its_address(
    webhook: Any, message: Message, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The error says which target and the status; neither it nor any log holds a part of the address."""
    webhook.status = 503
    monkeypatch.setenv("CHAT", webhook.address)
    with caplog.at_level(logging.DEBUG), pytest.raises(NotDelivered, match=r"CHAT .*503") as refused:
        send(message)
    assert SECRET not in str(refused.value)
    assert SECRET not in caplog.text


def test_a_receiver_that_is_away_is_told(
    webhook: Any, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed port is not delivered."""
    monkeypatch.setenv("CHAT", webhook.address)
    webhook.shutdown()
    webhook.server_close()
    with pytest.raises(NotDelivered, match="CHAT"):
        send(message)


@pytest.mark.parametrize("address", [SECRET, f"nothing://{SECRET}", f"json://:{SECRET}@"])
def test_what_is_no_address_is_not_shown(
    message: Message, monkeypatch: pytest.MonkeyPatch, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An address that apprise does not know is refused with an example of one that it does."""
    monkeypatch.setenv("CHAT", address)
    with caplog.at_level(logging.DEBUG), pytest.raises(NotDelivered, match="json://host/path") as refused:
        send(message)
    assert SECRET not in str(refused.value) + caplog.text


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which, and where to set it."""
    monkeypatch.delenv("CHAT", raising=False)
    with pytest.raises(NotDelivered, match=r"CHAT is not set .*runner"):
        find_address(Target(url_env="CHAT"))


def test_every_part_of_an_address_is_redacted() -> None:
    """User, password, host, path and query, also as they read unquoted; the rest of the text stays."""
    text = redact(
        "POST to chat.example.org failed for p@ss/word: 404", "json://ada:p%40ss%2Fword@chat.example.org/x"
    )
    assert text == "POST to … failed for …: 404"
