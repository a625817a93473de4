"""Announce an event: to Prefect, whose automations answer it, and to the outbox of those who asked for it."""

import logging
from collections.abc import Iterable

from regrow.base.errors import ProjectError, StateError
from regrow.base.settings import Settings, load_settings
from regrow.notifications.event import Event
from regrow.notifications.outbox import Outbox
from regrow.project import Project, Target, load_targets

logger = logging.getLogger("regrow.notifications")


def emit(event: Event, project: Project | None = None, *, later: bool = False) -> None:
    """Announce *event*, once however often it is asked, to the targets of *project* and of the settings.

    With *later* Prefect is told by the runner once it answers, and this process needs no Prefect. It never fails: what
    it tells of has happened, whoever can be told. What could not be kept is logged.
    """
    settings = load_settings()
    outbox = Outbox(settings.home)
    targets = [each for each in targets_of(settings, project) if each.wants(event.kind, event.severity)]
    try:
        if targets:
            outbox.put(event, _each_once(targets))
        if later:
            outbox.put_off(event)
    except StateError as error:
        logger.warning("%s was told to nobody: %s", event.title, error)
    if not later:
        tell_prefect(event)


def tell_prefect(event: Event) -> None:
    """Emit *event* in Prefect, which takes an id once."""
    from prefect.events import emit_event

    payload = event.model_dump(mode="json")
    emit_event(event.name, resource=event.resource, payload=payload, id=event.id, occurred=event.at)


def emit_of_machine(event: Event, *, later: bool = False) -> None:
    """Announce *event*, which is about this machine, once: whoever looks every minute finds the same again."""
    outbox = Outbox(load_settings().home)
    if outbox.knows(event.id):
        return
    emit(event, later=later)
    try:
        outbox.put(event, ())
    except StateError as error:
        logger.warning("%s could not be kept: %s", event.title, error)


def targets_of(settings: Settings, project: Project | None = None) -> tuple[Target, ...]:
    """Return the targets of the whole machine and of *project*; a broken file of the machine's is logged."""
    own = project.notifications if project else ()
    if settings.notifications is None:
        return own
    try:
        return (*load_targets(settings.notifications), *own)
    except ProjectError as error:
        logger.warning("%s", error)
        return own


def _each_once(targets: Iterable[Target]) -> list[Target]:
    """Return the first of the *targets* with one address."""
    return list({target.key: target for target in reversed(list(targets))}.values())
