"""The command on notifications: notify."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from regrow.base.errors import NotDelivered, RegrowError
from regrow.cli.log import quiet
from regrow.cli.printing import open_console

if TYPE_CHECKING:
    from regrow.notifications.grouping import Message
    from regrow.project import Target


def notify(
    test: Annotated[
        bool, typer.Option("--test", help="Send a test to every target of the settings and the project files")
    ] = False,
) -> None:
    """Send what waits to be sent, or a test to every target; show who took it, and exit with 1 if one did not."""
    from regrow.base.settings import apply_environment, load_settings

    settings = load_settings()
    apply_environment(settings)
    with quiet("sending"):
        lines, problems = _send_tests() if test else _send_waiting()
    console = open_console()
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if problems:
        raise RegrowError("\n".join(problems))


def _send_tests() -> tuple[list[str], list[str]]:
    """Send a test to each target, and return who took it and who did not."""
    from regrow.base.settings import load_settings
    from regrow.notifications.emitting import targets_of
    from regrow.notifications.sending import send
    from regrow.services.projects import find_projects

    settings = load_settings()
    found = find_projects(settings.configs)
    projects = [None, *found.projects]
    targets = {each.key: each for project in projects for each in targets_of(settings, project)}
    if not targets:
        return [
            "no target: write `notifications:` into a project file, or name a file by REGROW_NOTIFICATIONS; "
            "see docs/notifications.md"
        ], list(found.problems)
    took, refused = send_tests(list(targets.values()), send)
    return took, [*found.problems, *refused]


def send_tests(targets: "list[Target]", send: "Callable[[Message], None]") -> tuple[list[str], list[str]]:
    """Send a test to each of *targets* by *send*, and return a line on each that took it, and on each that did not."""
    took, refused = [], []
    for target in targets:
        try:
            send(message_of_test(target))
            took.append(f"delivered: {target.name}")
        except NotDelivered as error:
            refused.append(f"not delivered: {error}")
    return took, refused


def message_of_test(target: "Target") -> "Message":
    """Make a message that says that it is a test."""
    from regrow.cli.arguments import user
    from regrow.notifications.event import Event
    from regrow.notifications.grouping import Message

    now, made = datetime.now(UTC), uuid.uuid4()
    event = Event(
        id=made,
        kind="training.finished",
        severity="info",
        at=now,
        model="test",
        reason=f"a test by {user()}: nothing was trained, and notifications arrive",
        cause="test",
    )
    return Message(id=made, at=now, target=target, events=(event,))


def _send_waiting() -> tuple[list[str], list[str]]:
    """Send what waits, unless another process does so, and return what became of it."""
    from regrow.base.settings import load_settings
    from regrow.data.files import locked_file
    from regrow.notifications.outbox import Outbox
    from regrow.notifications.sender import LOCK, Sender

    outbox = Outbox(load_settings().home)
    outbox.prepare()
    with locked_file(outbox.folder / LOCK) as is_ours:
        sent = Sender(outbox).work() if is_ours else 0
    count, age = outbox.waiting()
    waits = f", {count} wait, the oldest for {age:.0f} s" if count else ""
    who = "" if is_ours else "the runner sends them; "
    return [f"{who}{sent} delivered{waits}"], []
