"""One cause sends one message, and the same is not told again for a while."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from regrow.notifications.event import Event
from regrow.notifications.grouping import Queued, Silence, group

Make = Callable[..., Event]
Queue = Callable[..., Queued]


def test_one_cause_is_one_message(make_event: Make, queued: Queue, now: datetime) -> None:
    """Events of one flow run go together, oldest first; another cause and another target have their own."""
    told = [
        make_event("traffic.missing", 20),
        make_event("run.failed", 30),
        make_event("alarm", 40, cause="flow-2"),
    ]
    waiting = [*(queued(each) for each in told), queued(told[0], url_env="MAIL")]
    found = group(waiting, {}, now)
    assert [[event.kind for event in message.events] for message in found.messages] == [
        ["run.failed", "traffic.missing"],
        ["alarm"],
        ["traffic.missing"],
    ]
    assert len(found.used) == len(waiting)
    assert len({message.id for message in found.messages}) == 3


def test_the_first_waits_for_others_of_its_cause(make_event: Make, queued: Queue, now: datetime) -> None:
    """A cause is not told before its first event is ten seconds old; one from the future, by a stepped clock, is."""
    young, late = queued(make_event(ago=3)), queued(make_event(ago=-300))
    assert group([young], {}, now).messages == ()
    assert group([young, queued(make_event("run.failed", 11))], {}, now).messages[0].events[-1] == young.event
    assert len(group([late], {}, now).messages) == 1


def test_the_same_is_quiet_then_counted(make_event: Make, queued: Queue, now: datetime) -> None:
    """An alarm each hour is told once in six hours; then the message says how many were not told."""
    silences: dict[str, Silence] = {}
    told = []
    for hour in range(8):
        moment = now + timedelta(hours=hour)
        alarm = queued(make_event(at=moment - timedelta(minutes=1), cause=f"flow-{hour}"))
        found = group([alarm], silences, moment)
        silences = found.silences
        assert found.used == (alarm,)
        told += [(hour, {topic: each.more for topic, each in m.untold.items()}) for m in found.messages]
    assert told == [(0, {}), (6, {"alarm/flights/drift": 5})]


def test_what_gets_more_urgent_is_told(make_event: Make, queued: Queue, now: datetime) -> None:
    """Quiet holds for the same and for what is less urgent, not for an error after a warning."""
    silences = group([queued(make_event())], {}, now).silences
    later = now + timedelta(minutes=5)
    for severity, messages in (("warning", 0), ("info", 0), ("error", 1)):
        again = make_event(severity=severity, at=later - timedelta(minutes=1))
        assert len(group([queued(again)], silences, later).messages) == messages


def test_facts_are_not_repetitions(make_event: Make, queued: Queue, now: datetime) -> None:
    """Another version, model or target is another topic, however soon it comes."""
    silences = group([queued(make_event("version.promoted", about="version 1"))], {}, now).silences
    others: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"about": "version 2"}, {}),
        ({"about": "version 1", "model": "parcels"}, {}),
        ({"about": "version 1"}, {"url_env": "MAIL"}),
    ]
    for change, target in others:
        assert group([queued(make_event("version.promoted", **change), **target)], silences, now).messages


def test_done_again_it_is_the_same_message(make_event: Make, queued: Queue, now: datetime) -> None:
    """A pass that was killed and is repeated gives messages of the same ids: a receiver can tell."""
    waiting = [queued(make_event()), queued(make_event("run.failed"))]
    first, again = (
        group(each, {}, now + timedelta(seconds=s)) for s, each in enumerate((waiting, waiting[::-1]))
    )
    assert first.messages[0].id == again.messages[0].id


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 100)), max_size=12))
def test_nothing_is_lost_and_nothing_told_twice(
    make_event: Make, queued: Queue, now: datetime, drawn: list[tuple[str, str, int]]
) -> None:
    """Whatever comes, each event is told once, or counted as untold, or waits."""
    waiting = [queued(make_event(ago=ago, cause=cause, about=about)) for cause, about, ago in drawn]
    found = group(waiting, {}, now)
    told = [each.id for message in found.messages for each in message.events]
    counted = sum(each.more for each in found.silences.values())
    assert len(set(told)) == len(told)
    assert len(told) + counted == len(found.used)
    assert all(each.event.at > now - timedelta(seconds=10) or each in found.used for each in waiting)
