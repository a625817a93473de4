"""Events and targets to tell of."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from regrow.notifications.event import MEANINGS, Event
from regrow.notifications.grouping import Queued
from regrow.project import Target

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
