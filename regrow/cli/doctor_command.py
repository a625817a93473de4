"""The command that looks for what is wrong: doctor."""

import json as json_text
import sys
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from regrow.cli.arguments import Json
from regrow.cli.log import quiet
from regrow.cli.printing import open_console

if TYPE_CHECKING:
    from regrow.services.doctor import Diagnosis

STYLES = {"well": "green", "warning": "yellow", "wrong": "red"}


def doctor(json: Json = False) -> None:
    """Look at every part, the disk, the tables, the schedules; show what is wrong and the remedy. Exit code 1 if so."""
    from regrow.base.settings import apply_environment, load_settings

    settings = load_settings()
    apply_environment(settings)
    with quiet("examining the installation"):
        from regrow.services.doctor import examine

        found = list(examine(settings))
    iswrong = any(each.health == "wrong" for each in found)
    if json:
        told = {"well": not iswrong, "found": [each._asdict() for each in found]}
        sys.stdout.write(json_text.dumps(told, indent=2) + "\n")
    else:
        console = open_console()
        console.print(table_of(found))
        console.print(conclusion(found), markup=False, highlight=False)
    if iswrong:
        raise typer.Exit(1)


def table_of(found: "list[Diagnosis]") -> Table:
    """Return what was *found* as a table: what is wrong first, each with its remedy."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("", "what", "found", "remedy"):
        table.add_column(heading)
    for each in sorted(found, key=lambda one: -list(STYLES).index(one.health)):
        table.add_row(
            Text(each.health, STYLES[each.health]), *map(Text, (each.check, each.found, each.remedy))
        )
    return table


def conclusion(found: "list[Diagnosis]") -> str:
    """Return in a line how all is."""
    wrong, warned = (sum(each.health == health for each in found) for health in ("wrong", "warning"))
    if not wrong and not warned:
        return "all is well"
    return f"{wrong} wrong, {warned} to look at" if wrong else f"nothing is wrong, {warned} to look at"
