"""What every part of the project file is made of."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(value: object) -> object:
    """Turn `90d`, `12h`, `30m`, `45s` or `2w` into an interval; leave anything else to the validator."""
    if isinstance(value, str) and value[:-1].replace(".", "", 1).isdigit() and value[-1:] in UNITS:
        return timedelta(seconds=float(value[:-1]) * UNITS[value[-1]])
    if isinstance(value, str):
        raise ValueError("a duration is a number and a unit: 45s, 30m, 12h, 90d or 2w")  # noqa: TRY004
    return value


def format_duration(value: timedelta) -> str:
    """Write *value* in the largest unit that divides it."""
    seconds = value.total_seconds()
    unit = next(unit for unit in ("w", "d", "h", "m", "s") if seconds % UNITS[unit] == 0 or unit == "s")
    return f"{seconds / UNITS[unit]:f}".rstrip("0").rstrip(".") + unit


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?[smhdw]$", "examples": ["90d", "12h"]}),
]
Reference = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="`module:attribute` of a Python file beside this one",
    ),
]
ImportPath = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$",
        description="Import path of a class: `package.module.Class`",
    ),
]
Share = Annotated[float, Field(ge=0, le=1)]
Scalar = str | int | float | bool | None


class Strict(BaseModel):
    """Frozen, strict, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
