"""The one schema of events."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from regrow.base.verdict import Finding, Verdict
from regrow.notifications.event import FOR, MEANINGS, SEVERITY, Event, event_id, figures_of, numbers
from regrow.project.notifications import KINDS

DOCS = Path(__file__).parents[2] / "docs" / "notifications.md"


def test_every_kind_has_a_meaning_and_is_documented() -> None:
    """The table of docs/notifications.md names each kind, with its severity, and no other."""
    assert set(MEANINGS) == set(KINDS)
    rows = re.findall(r"^\| `([a-z.-]+)` \| (info|warning|error)", DOCS.read_text(), flags=re.MULTILINE)
    assert dict(rows) == {kind: meaning.severity for kind, meaning in MEANINGS.items()}


def test_every_field_is_documented() -> None:
    """The docs name every field of the payload."""
    told = DOCS.read_text()
    assert [name for name in Event.model_fields if f"`{name}`" not in told] == []


def test_an_event_has_one_id_for_kind_model_and_key() -> None:
    """The same gives the same; any other gives another."""
    same = event_id("alarm", "a", "k")
    assert same == event_id("alarm", "a", "k")
    others = {event_id("run.failed", "a", "k"), event_id("alarm", "b", "k"), event_id("alarm", "a", "l")}
    assert len({same, *others}) == 4


def test_automations_match_by_model_severity_and_who_acts(make_event: Callable[..., Event]) -> None:
    """The resource holds the model's id, the severity and, of an alarm, who acts; else the machine's name."""
    told = make_event(acts="person")
    assert told.name == "regrow.alarm"
    assert told.resource["prefect.resource.id"] == "regrow.model.flights"
    assert (told.resource[FOR], told.resource[SEVERITY]) == ("person", "warning")
    machine = make_event("disk.nearly-full", model=None)
    assert machine.resource["prefect.resource.id"].startswith("regrow.machine.")
    assert FOR not in machine.resource


@pytest.mark.parametrize("place", ["reason", "figures"])
def test_no_password_gets_into_an_event(make_event: Callable[..., Event], place: str) -> None:
    """A reason or figure that holds an address loses its user and password."""
    text = "cannot reach postgresql://ada:hunter2@db/rows"
    told = make_event(**{place: text if place == "reason" else {"where": text}})
    assert "hunter2" not in told.model_dump_json()
    assert "@db/rows" in told.model_dump_json()


def test_an_event_of_a_later_version_is_read(make_event: Callable[..., Event]) -> None:
    """What waits in the outbox is read although a later version has written more fields."""
    told = make_event()
    assert Event.model_validate(told.model_dump() | {"new": 1}) == told


def test_figures_of_a_verdict_come_failed_first() -> None:
    """A rule's figure, with its limit unless the rule names it; nothing that was not measured."""
    found = (
        Finding(rule="share at most 0.2", result="pass", figure=0.1, limit=0.2),
        Finding(rule="roc_auc", result="fail", figure=0.61234, limit=0.7),
        Finding(rule="labels", result="undecided"),
    )
    figures = figures_of(Verdict(decision="monitor", result="fail", reason="r", findings=found))
    assert list(figures.items()) == [("roc_auc", "0.6123 (limit 0.7)"), ("share at most 0.2", 0.1)]
    assert numbers({"rows": 5.0, "auc": 0.123456}) == {"rows": 5, "auc": 0.1235}
