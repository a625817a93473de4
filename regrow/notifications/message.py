"""How a message reads: what happened, the figures, the pages that hold more, and an id to tell it by."""

from regrow.notifications.event import Event
from regrow.notifications.grouping import Message, Silence
from regrow.project import Severity
from regrow.project.notifications import SEVERITIES

MOST_BODY = 1_900
"""Characters of a message: some receivers refuse more than 2,000."""
MOST_FIGURES = 12


def severity_of(message: Message) -> Severity:
    """Return how urgent the most urgent event of *message* is."""
    return SEVERITIES[max(SEVERITIES.index(event.severity) for event in message.events)]


def title_of(message: Message) -> str:
    """Return the most urgent event's title, and how many others there are."""
    severity = severity_of(message)
    first = next(event for event in message.events if event.severity == severity)
    others = len(message.events) - 1
    return f"[regrow {severity}] {first.title}{f', and {others} more' if others else ''}"


def body_of(message: Message) -> str:
    """Write what happened, with figures and links; what does not fit is left out, and said."""
    end = f"message {message.id}"
    parts: list[str] = []
    room = MOST_BODY - len(end) - 60
    for place, event in enumerate(message.events):
        told = _section(event, message.untold.get(event.topic))
        if len(told) > room and parts:
            parts.append(f"… and {len(message.events) - place} more, see Prefect's events")
            break
        parts.append(told if len(told) <= room else f"{told[: room - 1]}…")
        room -= len(parts[-1]) + 2
    return "\n\n".join([*parts, end])


def _section(event: Event, untold: Silence | None) -> str:
    """Write one event."""
    figures = [f"- {name}: {value}" for name, value in list(event.figures.items())[:MOST_FIGURES]]
    links = [f"{name}: {link}" for name, link in event.links.items()]
    acts = {"": "", "person": "A person must act.", "retraining": "A retraining is asked for."}[event.acts]
    trigger = f"started by {event.trigger}" if event.trigger else ""
    as_of = f"as of {event.as_of:%Y-%m-%d %H:%M} UTC" if event.as_of else ""
    more = f"{untold.more} times more since {untold.since:%Y-%m-%d %H:%M} UTC, not told" if untold else ""
    lines = [event.title, event.reason, acts, trigger, as_of, *figures, more, *links]
    return "\n".join(line for line in lines if line)
