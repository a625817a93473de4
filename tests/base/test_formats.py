"""Records of other versions of Regrow."""

import json
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from regrow.base.errors import NewerFormat
from regrow.base.formats import StoredRecord


class Part(BaseModel):
    """A part that is closed to unknown fields, as the project file's types are."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    weight: float = 1.0


class Record(StoredRecord):
    """A record of format 2."""

    FORMAT: ClassVar[int] = 2

    name: str
    parts: tuple[Part, ...] = ()


def test_unknown_fields_of_a_known_format_are_left_out() -> None:
    """What an earlier or a later version wrote beside what is known is left out, at any depth."""
    text = json.dumps({"name": "a", "gone": 1, "parts": [{"weight": 0.5, "later": True}]})
    assert Record.read(text) == Record(name="a", parts=(Part(weight=0.5),))
    assert Record.read(json.loads(text)) == Record.read(text)


def test_a_newer_format_is_refused() -> None:
    """A record that a newer version raised the format of is not read in part."""
    with pytest.raises(NewerFormat, match=r"format 3, this one reads up to 2\); start that version"):
        Record.read('{"format": 3, "other": []}')


def test_a_record_is_closed_when_it_is_made() -> None:
    """A field that is misspelt in code is an error, and so is one that is missing in what is read."""
    with pytest.raises(ValidationError, match="nmae"):
        Record(name="a", nmae="b")  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValidationError, match="name"):
        Record.read("{}")


def test_what_is_written_says_its_format() -> None:
    """A reader of any version can tell by the record itself whether it may read it."""
    assert json.loads(Record(name="a").model_dump_json())["format"] == 2
