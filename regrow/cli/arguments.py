"""The arguments that several commands take, and what is checked before any of them works."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regrow.base.errors import RegrowError
from regrow.data import times

if TYPE_CHECKING:
    from regrow.base.settings import Settings
    from regrow.project import Project

File = Annotated[Path, typer.Argument(help="The model's YAML file", show_default=False)]
Name = Annotated[str, typer.Argument(help="The model's name", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, for the ledger", show_default=False)]
AsOf = Annotated[
    str | None, typer.Option(help="The moment that the run pretends is now, ISO 8601; without an offset: UTC")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs, nothing else")]


@dataclass(frozen=True)
class Request:
    """What a command of a flow was asked for, checked."""

    project: "Project"
    as_of: datetime | None
    settings: "Settings"


def read_request(file: Path, as_of: str | None) -> Request:
    """Check the moment, the project file and the servers, before anything is done.

    Raises `ProjectError` if the file is wrong, `Unreachable` if a server does not answer.
    """
    from regrow.project import load_project

    moment, project = read_moment(as_of), load_project(file)
    return Request(project, moment, reach_servers())


def read_moment(text: str | None, option: str = "--as-of") -> datetime | None:
    """Read an ISO 8601 moment; without an offset it is UTC."""
    if text is None:
        return None
    try:
        return times.read_moment(text)
    except ValueError as error:
        raise RegrowError(
            f"{option} {text}: not a date; write 2024-04-01 or 2024-04-01T06:00:00+00:00"
        ) from error


def reach_servers(prefect: bool = True) -> "Settings":
    """Point this process at the running servers; raise `Unreachable` if one does not answer, or lets us not in."""
    from regrow.base.reach import check_reachable, check_signed_in
    from regrow.base.settings import apply_environment, load_settings

    settings = load_settings()
    apply_environment(settings)
    check_reachable(settings, prefect)
    check_signed_in(settings, prefect)
    return settings


def user() -> str:
    """Return the name of the person at the keyboard."""
    import getpass
    import socket

    return f"{getpass.getuser()} at {socket.gethostname()}"
