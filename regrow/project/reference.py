"""The reference of all keys of a project file and all settings, written from their types: `docs/reference.md`."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from regrow.base.settings import Settings
from regrow.project.fields import format_duration
from regrow.project.file import ProjectFile

Schema = dict[str, Any]
HEAD = """# Reference

Written from the types by `make schema`. Durations are written like `90d`, `12h`, `30m`.

## The project file

Unknown keys are refused. The same as a JSON schema, for editors: `configs/schema.json`.
"""
SETTINGS = """## Settings

Environment variables; all have a default.

| variable | value | default | what it is |
|---|---|---|---|
"""
MACHINE = "runs_at_once"
"""The setting whose default follows the machine."""
TYPES = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "`true` or `false`",
    "object": "mapping",
}


def write_reference() -> str:
    """Return `docs/reference.md`."""
    schema = ProjectFile.model_json_schema()
    sections = _sections(schema, schema["$defs"])
    return "\n".join([HEAD, *sections, SETTINGS.rstrip("\n"), *_settings(), ""])


def _sections(root: Schema, known: dict[str, Schema]) -> Iterator[str]:
    """Yield a section for the file, then one for each kind of object in it, after the one that names it first."""
    waiting, seen = [("", root)], set[str]()
    while waiting:
        name, definition = waiting.pop(0)
        keys = definition.get("properties", {})
        if name:
            yield f"### {name}\n\n{_in_one_line(definition.get('description', ''))}\n"
        yield "| key | value | default | what it is |\n|---|---|---|---|"
        found: list[str] = []
        for key, field in keys.items():
            yield _row(f"`{key}`", field, key in definition.get("required", ()), known)
            found += [each for each in _named(field) if each in known and each not in seen]
        yield ""
        seen |= set(found)
        waiting[:0] = [(each, known[each]) for each in dict.fromkeys(found) if "properties" in known[each]]


def _settings() -> Iterator[str]:
    """Yield the row of each setting."""
    schema = Settings.model_json_schema()
    for name, field in schema["properties"].items():
        shown = {**field, "default": "by the machine"} if name == MACHINE else field
        yield _row(f"`REGROW_{name.upper()}`", shown, False, schema.get("$defs", {}))


def _row(name: str, field: Schema, required: bool, known: dict[str, Schema]) -> str:
    """Write the row of one key."""
    default = "required" if required else _default(field)
    cells = [name, _value(field, known), default, _in_one_line(field.get("description", ""))]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _named(field: Schema) -> Iterator[str]:
    """Yield the names of the definitions that *field* names, however deep."""
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2]
    for part in (*field.get("anyOf", ()), *field.get("oneOf", ()), *field.get("prefixItems", ())):
        yield from _named(part)
    for part in (field.get("items"), field.get("additionalProperties")):
        if isinstance(part, dict):
            yield from _named(part)


def _value(field: Schema, known: dict[str, Schema]) -> str:
    """Return in words what *field* may hold."""
    kind = field.get("type", "")
    options = [*field.get("anyOf", ()), *field.get("oneOf", ())]
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        told = [f"[{name}](#{name.lower()})" if "properties" in known.get(name, {}) else "anything"]
    elif fixed := [*field.get("enum", ()), *([field["const"]] if "const" in field else [])]:
        told = [f"`{value}`" for value in fixed]
    elif options:
        told = [_value(part, known) for part in options if part != {"type": "null"}]
    elif kind == "array":
        told = [f"list of {_value(field.get('items', {}), known)}"]
    elif "90d" in field.get("examples", ()):
        told = ["duration"]
    else:
        told = [TYPES.get(kind, "anything")]
    return " or ".join(dict.fromkeys(told))


def _default(field: Schema) -> str:
    """Write the default of *field*; nothing for one that its own section tells."""
    value = field.get("default")
    if isinstance(value, dict) or value in (None, "", []):
        return ""
    if isinstance(value, str) and "90d" in field.get("examples", ()):
        length = TypeAdapter(timedelta).validate_python(value)
        value = format_duration(length) if length else "0s"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _in_one_line(text: str) -> str:
    """Write *text* without line breaks."""
    return " ".join(text.split())
