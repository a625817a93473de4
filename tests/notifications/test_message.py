"""How a message reads."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from regrow.notifications.event import Event
from regrow.notifications.grouping import Message, Queued, Silence, group
from regrow.notifications.message import MOST_BODY, body_of, severity_of, title_of


def message(queued: Callable[..., Queued], now: datetime, *events: Event, **more: Any) -> Message:
    [made] = group([queued(each) for each in events], {}, now).messages
    return made.model_copy(update=more)


def test_it_says_what_happened_with_figures_and_links(
    make_event: Callable[..., Event], queued: Callable[..., Queued], now: datetime
) -> None:
    """The title is the most urgent event's; the body has reason, figures, links, what was untold, and an id."""
    links = {"Prefect run": "http://prefect/1", "MLflow run": "http://mlflow/2", "report": "http://mlflow/3"}
    alarm = make_event(
        figures={"share of drifted columns": 0.4}, links=links, acts="retraining", trigger="schedule"
    )
    failed = make_event("run.failed", 30, about="monitor", reason="DataError: no rows")
    silence = {alarm.topic: Silence(since=now - timedelta(hours=7), severity="warning", more=4)}
    made = message(queued, now, alarm, failed, untold=silence)
    assert severity_of(made) == "error"
    assert title_of(made) == "[regrow error] flights: monitor failed, and 1 more"
    body = body_of(made)
    told = (
        "flights: alarm: drift", "temp moved", "A retraining is asked for.", "started by schedule",
        "- share of drifted columns: 0.4", *links.values(), "4 times more since 2024-03-01 05:00 UTC",
        "flights: monitor failed", f"message {made.id}",
    )  # fmt: skip
    assert [each for each in told if each not in body] == []


def test_a_long_message_is_cut_and_says_so(
    make_event: Callable[..., Event], queued: Callable[..., Queued], now: datetime
) -> None:
    """What receivers would refuse as too long is cut; the id stays, and what is left out is counted."""
    many = [make_event(reason="x" * 500, about=f"column {place}") for place in range(9)]
    body = body_of(message(queued, now, *many))
    assert len(body) <= MOST_BODY
    assert "… and 6 more" in body
    long = body_of(message(queued, now, make_event(reason="y" * 2_000)))
    assert len(long) <= MOST_BODY
    assert long.splitlines()[-1].startswith("message ")
