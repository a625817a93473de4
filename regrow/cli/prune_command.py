"""Remove what is kept long enough, now: `regrow prune`."""

import json as to_json
import sys
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from regrow.cli.arguments import Json, reach_servers
from regrow.cli.log import quiet
from regrow.cli.printing import open_console


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed")] = False,
    json: Json = False,
) -> None:
    """Remove old reports, runs, results, snapshots and logs, as the daily flow `tidy` does; never what is needed."""
    reach_servers()
    with quiet("looking for what is old"):
        from flows.tidy import tidy

        removed = tidy(dry_run=dry_run)
    if json:
        sys.stdout.write(to_json.dumps([one.model_dump() for one in removed], indent=2) + "\n")
        return
    from tasks.report_tidying import HEADINGS, rows_of

    table = Table(
        title="would be removed" if dry_run else "removed",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for place, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if place < 2 else "right")
    for row in rows_of(removed):
        table.add_row(*row)
    open_console().print(table)
