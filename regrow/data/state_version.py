"""The version of the state: which program used the state folder last, and in which format everything in it stands."""

import json
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from regrow.base.errors import StateError
from regrow.base.formats import check_format
from regrow.base.provenance import installed_version
from regrow.data.files import state_errors, write_whole

STATE_FORMAT = 2
"""The format of the state that this program writes; it migrates older ones, and refuses newer ones.

1: up to 0.3, without a file that says so. 2: what is written down of the state folder's files is relative to it.
"""
FILE = "version.json"
TRACES = ("postgres", "snapshots", "tables", "journal")
"""What a state folder holds that was used before the file was written."""


class StateVersion(BaseModel):
    """What `version.json` says."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int
    program: str = "?"
    """The version of Regrow that was started last."""
    home: str = ""
    """Where the folder stood then."""
    store: str = ""
    """Where the store was then; empty: in the folder."""
    at: datetime | None = None


def read_state_version(home: Path) -> StateVersion | None:
    """Return the version of the state in *home*; None if there is no state yet.

    Raises `NewerFormat` if a newer program has used it, `StateError` if the file cannot be read.
    """
    file = home / FILE
    try:
        found = StateVersion.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return StateVersion(format=1) if any((home / trace).exists() for trace in TRACES) else None
    except (OSError, ValidationError) as error:
        said = "it is damaged" if isinstance(error, ValidationError) else error.strerror
        raise StateError(
            f"{file}: cannot be read ({said}); restore it from a backup, or remove it to start anyway"
        ) from error
    check_format(f"{file}: the state of Regrow {found.program}", found.format, STATE_FORMAT)
    return found


def write_state_version(home: Path, store: str = "") -> None:
    """Write down that this program has used *home*, with *store*, and that all in it is of its format."""
    said = StateVersion(
        format=STATE_FORMAT,
        program=installed_version("regrow") or "?",
        home=str(home.absolute()),
        store="" if store == str(home.absolute()) else store,
        at=datetime.now(UTC),
    )
    with state_errors(home):
        write_whole(home / FILE, json.dumps(said.model_dump(mode="json"), indent=1).encode() + b"\n")
