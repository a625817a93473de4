"""The commands on project files: init, check, schema."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from regrow.cli.arguments import File
from regrow.cli.log import quiet
from regrow.cli.printing import open_console


def init(
    table: Annotated[
        str, typer.Argument(help="CSV or Parquet file, folder, or with --url-env a query", show_default=False)
    ],
    target: Annotated[str, typer.Option(help="The column to predict", show_default=False)],
    name: Annotated[str | None, typer.Option(help="The model's name; default: the table's")] = None,
    url_env: Annotated[
        str | None, typer.Option(help="Environment variable with the database's URL; TABLE is a query then")
    ] = None,
    configs: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: REGROW_CONFIGS, or configs")
    ] = None,
) -> None:
    """Look at a table and write a project file for it, with a comment for each choice."""
    from regrow.base.settings import load_settings
    from regrow.inspection.new_project import make_project_file

    folder = configs or load_settings().configs
    file, found = make_project_file(table, target, folder, name, url_env)
    lines = Table.grid(padding=(0, 2))
    for word, told in found:
        lines.add_row(Text(word, style="bold"), Text(told))
    console = open_console()
    console.print(lines)
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    console.print(
        f"wrote {shown}: read it, then `regrow up` in a terminal of its own, and `regrow train {shown}`",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def check(
    file: File,
    data: Annotated[
        bool,
        typer.Option("--data", help="Read the rows as `train` would, and check them too; needs no server"),
    ] = False,
) -> None:
    """Find what is wrong with a project file and how to mend it; change nothing."""
    from regrow.project.check import check_project

    console = open_console()
    console.print(check_project(file), markup=False, highlight=False, soft_wrap=True)
    if data:
        from regrow.cli.data_check import check_data
        from regrow.project import load_project

        with quiet(f"reading the data of {file}"):
            found = list(check_data(load_project(file)))
        for line in found:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def schema(
    reference: Annotated[
        bool,
        typer.Option(
            "--reference", help="Print the page of all keys and settings instead: docs/reference.md"
        ),
    ] = False,
) -> None:
    """Print the JSON schema of project files, for editors."""
    from regrow.project import json_schema
    from regrow.project.reference import write_reference

    sys.stdout.write(write_reference() if reference else json_schema())
