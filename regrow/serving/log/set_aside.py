"""What of the journal cannot go into a table: the segment is set aside, whole, and told until somebody removes it.

It stands in `<journal>/<model>/damaged/`, with a note beside it that names the lines and what is wrong with each. All
other rows of the segment are in the table.
"""

from pathlib import Path
from typing import NamedTuple

import orjson

from regrow.data.files import SET_ASIDE, state_errors, write_whole

NOTE = ".json"
SHOWN = 100
"""Lines that a note names at most; it counts all."""


class SetAside(NamedTuple):
    """What is set aside of one model."""

    rows: int
    reason: str
    """What is wrong with one of them."""
    folder: Path

    def __str__(self) -> str:
        return (
            f"{self.rows} rows could not be logged ({self.reason}); they are kept in {self.folder}: "
            "look at the notes there, then move the files away"
        )


def set_aside(segment: Path, damage: dict[int, str]) -> Path:
    """Move *segment* of a writer to what is set aside of its model, with a note of the *damage* by line.

    Returns its new place. Raises `StateError` if the disk does not take the note; then the segment stays.
    """
    writer = segment.parent
    folder = writer.parent / SET_ASIDE
    kept = folder / f"{writer.name}-{segment.name}"
    shown = {str(number): damage[number] for number in sorted(damage)[:SHOWN]}
    with state_errors(segment, "cannot be set aside"):
        folder.mkdir(exist_ok=True)
        write_whole(kept.with_suffix(NOTE), orjson.dumps({"rows": len(damage), "lines": shown}))
        segment.rename(kept)
    return kept


def list_set_aside(journal: Path) -> dict[str, SetAside]:
    """Count what is set aside under *journal*, by model."""
    return {path.parent.name: found for path in journal.glob(f"*/{SET_ASIDE}") if (found := _count(path))}


def _count(folder: Path) -> SetAside | None:
    """Count what is set aside in *folder*; None if there is nothing."""
    rows, reason = 0, "no note says why"
    files = [path for path in folder.iterdir() if path.suffix != NOTE]
    for path in files:
        try:
            note = orjson.loads(path.with_suffix(NOTE).read_bytes())
            rows += note["rows"]
            reason = next(iter(note["lines"].values()), reason)
        except (OSError, ValueError, KeyError, AttributeError):
            rows += 1
    return SetAside(rows, reason, folder) if files else None
