"""Records that outlive the program which wrote them: their format, and how those of other versions are read.

A record carries the number of its *format*; one without a number is of format 1. What this program does not know of a
record in its own format, or in an older one, is left out: a field that an earlier version wrote, or that a later one
added. A format is raised only if it would be wrong to leave out what is new: then an older program refuses the record
instead of acting on half of it. A field that a record of an older format lacks needs a default.
"""

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from regrow.base.errors import NewerFormat


class StoredRecord(BaseModel):
    """A frozen record that is closed to unknown fields when it is made, and open to them when it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    FORMAT: ClassVar[int] = 1
    """The newest format that this program reads, and the one that it writes."""

    format: Annotated[int, Field(validate_default=True)] = 1
    """The format of the record; of one that was read, the present one."""

    @field_validator("format")
    @classmethod
    def _check_format(cls, found: int) -> int:
        """Refuse a record of a newer format, whatever else it holds: this field is the first that is looked at."""
        check_format(cls.__name__.lower(), found, cls.FORMAT)
        return cls.FORMAT

    @classmethod
    def read(cls, stored: str | bytes | dict[str, Any]) -> Self:
        """Read what this or another version of Regrow has *stored*, as JSON or as what JSON means.

        Raises `NewerFormat` if it cannot be read by this version, `ValidationError` if it is damaged.
        """
        if isinstance(stored, dict):
            return cls.model_validate(stored, extra="ignore")
        return cls.model_validate_json(stored, extra="ignore")


def check_format(what: str, found: object, known: int) -> None:
    """Raise `NewerFormat` if *what* is of the format *found*, and this program knows those up to *known*."""
    if isinstance(found, int) and found > known:
        raise NewerFormat(
            f"{what}: a newer version of Regrow wrote it (format {found}, this one reads up to {known}); "
            "start that version"
        )
