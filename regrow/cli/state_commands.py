"""The commands on the state as a whole: backup, restore."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regrow.cli.server_commands import report_line

if TYPE_CHECKING:
    from regrow.services.state.contents import Manifest


def backup(
    target: Annotated[Path, typer.Argument(help="A new or an empty folder for the copy")],
) -> None:
    """Copy the whole state, databases and files, at one consistent point, also while everything runs."""
    from regrow.base.settings import load_settings
    from regrow.services.state.backup import back_up

    manifest = back_up(load_settings(), target, report_line)
    typer.echo(f"{target}: {_describe(manifest)}")


def restore(
    source: Annotated[Path, typer.Argument(help="The folder that `regrow backup` made")],
) -> None:
    """Make the state folder, REGROW_HOME, from a backup; it must be new or empty."""
    from regrow.base.settings import load_settings
    from regrow.services.state.restore import restore as restore_from

    settings = load_settings()
    manifest = restore_from(settings, source, report_line)
    typer.echo(f"{settings.home}: {_describe(manifest)}; start it with `regrow up`")


def _describe(manifest: "Manifest") -> str:
    """Return in words what *manifest* lists."""
    rows = sum(table.rows for table in manifest.tables.values())
    size = sum(file.bytes for file in manifest.files.values())
    return (
        f"the state of {manifest.made:%Y-%m-%d %H:%M:%S} UTC, {len(manifest.files):,} files of {size / 1e6:,.1f} MB, "
        f"{len(manifest.tables)} tables of {rows:,} rows"
    )
