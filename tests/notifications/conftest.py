"""Events and targets to tell of, and a receiver."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest

from regrow.notifications.event import MEANINGS, Event
from regrow.notifications.grouping import Queued
from regrow.project import Target

SECRET = "hunter2xyz"  # noqa: S105
NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


def event(kind: str = "alarm", ago: float = 60, **more: Any) -> Event:
    """Make an event of *ago* seconds before noon."""
    facts = {
        "id": uuid4(), "kind": kind, "severity": MEANINGS[kind].severity, "at": NOW - timedelta(seconds=ago),  # pyright: ignore
        "model": "flights", "about": "drift", "reason": "temp moved", "cause": "flow-1",
    }  # fmt: skip
    return Event.model_validate(facts | more)


def queue(told: Event, **target: Any) -> Queued:
    """Queue *told* for a target."""
    return Queued(event=told, target=Target.model_validate({"url_env": "CHAT"} | target))


@pytest.fixture(scope="session")
def make_event() -> Callable[..., Event]:
    return event


@pytest.fixture(scope="session")
def queued() -> Callable[..., Queued]:
    return queue


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


class Webhook(ThreadingHTTPServer):
    """A receiver on loopback that keeps what it gets, and answers with *status*."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        """What it has answered with success."""
        self.status = 200

    @property
    def address(self) -> str:
        return f"json://ada:{SECRET}@127.0.0.1:{self.server_port}/{SECRET}/hook?+token={SECRET}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        server.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        status = server.status
        if status == 200:
            server.taken.append(server.got[-1])
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None:
        return


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
