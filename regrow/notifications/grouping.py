"""Which events become one message, and which are not told again: pure rules."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel, ConfigDict

from regrow.notifications.event import Event
from regrow.project import Severity, Target
from regrow.project.notifications import SEVERITIES

WAIT = timedelta(seconds=10)
"""How long the first event of a cause waits for others of the same cause."""
FORGOTTEN = timedelta(days=30)
"""How long it is remembered, at least, what was told."""


class Queued(BaseModel):
    """An event that a target is to be told of."""

    model_config = ConfigDict(frozen=True)

    event: Event
    target: Target


class Silence(BaseModel):
    """When a topic was told last, how urgent it was, and how often it came since without being told."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    severity: Severity
    more: int = 0


class Message(BaseModel):
    """What is sent to one target at once: the events of one cause, and how often each came untold before."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    """The same for the same events and target, so that a receiver can tell a message that comes twice."""
    at: datetime
    target: Target
    events: tuple[Event, ...]
    untold: dict[str, Silence] = {}
    """By topic: what came in the quiet period before and was not told."""


@dataclass(frozen=True)
class Grouped:
    """What a pass over the queue comes to."""

    messages: tuple[Message, ...]
    used: tuple[Queued, ...]
    """The events that need no further pass: they are in a message, or are not told again."""
    silences: dict[str, Silence]


def group(queued: Sequence[Queued], silences: Mapping[str, Silence], now: datetime) -> Grouped:
    """Put the events of one target and cause into one message, once its first has waited; leave out what was told.

    A topic that was told to a target within the target's quiet period is counted instead, unless it has become more
    urgent; the next message that tells it says how often it came.
    """
    causes: defaultdict[tuple[str, str], list[Queued]] = defaultdict(list)
    for each in queued:
        causes[each.target.key, each.event.cause].append(each)
    messages: list[Message] = []
    used: list[Queued] = []
    told = {key: each for key, each in silences.items() if now - each.since < FORGOTTEN}
    for together in causes.values():
        oldest = min(each.event.at for each in together)
        if oldest <= now < oldest + WAIT:
            continue
        used += together
        target = together[0].target
        fresh, untold = _leave_out_told(together, told, now)
        if fresh:
            messages.append(_message(target, fresh, untold, now))
    return Grouped(tuple(messages), tuple(used), told)


def _leave_out_told(
    together: Iterable[Queued], told: dict[str, Silence], now: datetime
) -> tuple[list[Event], dict[str, Silence]]:
    """Return the events of *together* that are to be told, and what of their topics was not; keep it in *told*."""
    fresh: list[Event] = []
    untold: dict[str, Silence] = {}
    for each in sorted(together, key=lambda each: each.event.at):
        event, key = each.event, f"{each.target.key}|{each.event.topic}"
        before = told.get(key)
        if before and _is_quiet(before, event, each.target.quiet, now):
            told[key] = before.model_copy(update={"more": before.more + 1})
            continue
        if before and before.more:
            untold[event.topic] = before
        told[key] = Silence(since=now, severity=event.severity)
        fresh.append(event)
    return fresh, untold


def _is_quiet(before: Silence, event: Event, quiet: timedelta, now: datetime) -> bool:
    """Return whether *event* is not told, because *before* was, at most *quiet* ago."""
    urgent = SEVERITIES.index(event.severity) > SEVERITIES.index(before.severity)
    return not urgent and timedelta(0) <= now - before.since < quiet


def _message(target: Target, events: Sequence[Event], untold: dict[str, Silence], now: datetime) -> Message:
    """Make the message of *events* to *target*."""
    ids = " ".join(sorted(str(event.id) for event in events))
    return Message(
        id=uuid5(NAMESPACE_URL, f"{target.key} {ids}"),
        at=now,
        target=target,
        events=tuple(events),
        untold=untold,
    )
