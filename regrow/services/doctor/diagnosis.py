"""What was found of one thing that was looked at."""

from typing import Literal, NamedTuple

Health = Literal["well", "warning", "wrong"]
SECONDS = {"d": 86_400, "h": 3_600, "min": 60}


class Diagnosis(NamedTuple):
    """One thing that was looked at, how it is, what was seen, and the remedy if it is not well."""

    check: str
    health: Health
    found: str
    remedy: str = ""


def size(count: float) -> str:
    """Return *count* bytes in the largest unit of 1,000 that fits."""
    for unit, bytes_ in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def duration(seconds: float) -> str:
    """Return *seconds* in the largest unit that fits."""
    for unit, length in SECONDS.items():
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


__all__ = ["Diagnosis", "Health", "duration", "size"]
