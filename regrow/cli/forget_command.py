"""Erase a person's rows: `regrow forget`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from regrow.cli.arguments import Json, Name, reach_servers, user
from regrow.cli.log import quiet

if TYPE_CHECKING:
    from regrow.lineage.forgetting import Forgotten


def forget(
    name: Name,
    entity: Annotated[
        str, typer.Option(help="Whose rows: a value of data.entity, or else of data.id", show_default=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be erased")] = False,
    json: Json = False,
) -> None:
    """Erase a person's rows from predictions, labels, journals and snapshots; say which versions learnt from them."""
    reach_servers(prefect=False)
    with quiet(f"erasing rows of {name}"):
        from regrow import registry
        from regrow.lineage.forgetting import forget as erase

        told = erase(registry.connect(), name, entity, user(), dry_run)
    if json:
        sys.stdout.write(told.model_dump_json(indent=2) + "\n")
    else:
        for line in lines_of(told, dry_run):
            typer.echo(line)


def lines_of(told: "Forgotten", dry_run: bool) -> list[str]:
    """Return what was erased, and what is left to do, in lines; they do not name the person."""
    done = "would be erased" if dry_run else "erased"
    lines = [
        f"{told.model}: {told.predictions:,} predictions, {told.labels:,} labels and {told.rows:,} rows of "
        f"{len(told.snapshots)} snapshots {done}"
    ]
    if told.set_aside:
        lines.append(f"{told.set_aside:,} damaged lines of journals and damaged files of tables {done}")
    if told.look_at:
        files = ", ".join(told.look_at)
        lines.append(
            f"LOOK AT {files}: lines there are damaged, and may be theirs; what they held cannot be logged any more: "
            "remove the file if you cannot tell"
        )
    if told.learnt:
        versions = ", ".join(map(str, told.learnt))
        lines.append(
            f"versions {versions} learnt from these rows: a model keeps what it learnt; train again and roll them out "
            "of use if that matters"
        )
    if told.judged:
        lines.append(f"versions {', '.join(map(str, told.judged))} were judged on them: their figures stay")
    lines.append(
        "not touched: data.source, data.labels, what scoring delivered, and backups; erase there too, or the next "
        "training reads the rows again"
    )
    return lines
