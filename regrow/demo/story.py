"""What the demonstration saw, kept while it runs, so that a killed one goes on from there."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from regrow.base.errors import StateError
from regrow.data.files import write_whole
from regrow.services.commands import ALL_SERVICES
from regrow.services.ownership import held


class Ending(BaseModel):
    """How a rollout came to its end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    outcome: str
    """`promoted` or `rolled back`."""
    rows: int
    """Rows answered, by whichever version, since the rollout began."""
    reason: str


class Month(BaseModel):
    """One month of the replayed year."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: datetime
    rows: int
    version: int
    """The version that served at the month's end."""
    drifted: int
    columns: int
    share: float
    served: float
    """AUC of the predictions that were served."""
    frozen: float
    """AUC of the first version, never retrained, on the same rows."""
    alarm: str
    """Why the monitor raised an alarm; empty: it did not."""
    failed: str
    """What the alarm is about, in a word each: `drift`, `performance`."""
    decision: str
    """What became of the alarm, or of a training by age: `rolling out`, `refused`, `declined`, `put back` or `for a
    person`; empty: nothing was due."""
    challenger: int | None
    reason: str
    gist: str
    """The figure that decided."""
    endings: tuple[Ending, ...]
    """The rollouts that came to their end in this month."""
    links: dict[str, str]


class Story(BaseModel):
    """The months so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    started: datetime
    first_version_reason: str = ""
    months: tuple[Month, ...] = ()
    complete: bool = False
    pooled_served: float | None = None
    pooled_frozen: float | None = None


FILE = "demo.json"


def open_story(home: Path) -> Story:
    """Go on with the demonstration under *home*, or start anew if the last one came to its end.

    Raises `StateError` if *home* holds work that no demonstration made, or `regrow up` is using it.
    """
    file = home / FILE
    if file.exists():
        story = Story.model_validate_json(file.read_text(encoding="utf-8"))
        if not story.complete:
            return story
        with held(home, ALL_SERVICES):
            shutil.rmtree(home)
    elif (home / "postgres").exists():
        raise StateError(
            f"{home}: holds models of your own; give the demonstration another folder by REGROW_HOME"
        )
    home.mkdir(parents=True, exist_ok=True)
    return save_story(home, Story(started=datetime.now(UTC)))


def save_story(home: Path, story: Story) -> Story:
    """Write *story* whole or not at all."""
    write_whole(home / FILE, json.dumps(story.model_dump(mode="json"), indent=1).encode())
    return story
