"""What every part of the project file is made of."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
DURATION = r"^\d+(\.\d+)?[smhdw]$"
LONGEST = timedelta(days=36_525)
"""A hundred years: so far back a moment still has a date."""


def parse_duration(value: object) -> object:
    """Turn `90d`, `12h`, `30m`, `45s` or `2w` into an interval; leave anything but text to the validator."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(DURATION, value, re.ASCII):
        raise ValueError("a duration is a number and a unit: 45s, 30m, 12h, 90d or 2w")
    seconds = float(value[:-1]) * UNITS[value[-1]]
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"a duration is a hundred years ({LONGEST.days}d) at most")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """Write *value* in the largest unit that divides it."""
    seconds = value.total_seconds()
    unit = next(unit for unit in ("w", "d", "h", "m", "s") if seconds % UNITS[unit] == 0 or unit == "s")
    return f"{seconds / UNITS[unit]:f}".rstrip("0").rstrip(".") + unit


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION, "examples": ["90d", "12h"]}),
]
Reference = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="`module:attribute` of a Python file beside this one",
    ),
]
ClassPath = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_]\w*((\.[A-Za-z_]\w*)+|(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*)$",
        description="A class: `package.module.Class`, or `module:Class` of a Python file beside this one",
    ),
]
TypeName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$",
        description="Full name of a class or function: `package.module.Class`",
    ),
]
PackageName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        description="A package as it is installed: `scikit-learn`",
    ),
]
Share = Annotated[float, Field(ge=0, le=1)]
Scalar = str | int | Annotated[float, Field(allow_inf_nan=True)] | bool | None
"""A value that a search tries; scikit-learn takes an infinite one for some parameters."""


class Strict(BaseModel):
    """Frozen, strict, closed to unknown keys, and finite: a limit of NaN or infinity would pass always or never."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
