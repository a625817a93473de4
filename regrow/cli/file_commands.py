"""The commands on project files: check, schema."""

import sys

from rich.console import Console

from regrow.cli.arguments import File


def check(file: File) -> None:
    """Find what is wrong with a project file and how to mend it; change nothing."""
    from regrow.project.check import check_project

    Console().print(check_project(file), markup=False, highlight=False, soft_wrap=True)


def schema() -> None:
    """Print the JSON schema of project files, for editors."""
    from regrow.project import json_schema

    sys.stdout.write(json_schema())
