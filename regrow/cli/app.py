"""The program itself: what becomes of an error, and the exit code."""

import os
import sys
import traceback
from typing import Any

from rich.console import Console
from typer.core import TyperGroup
from typer.exceptions import Abort, Exit, TyperException

from regrow.base.errors import DataError, ProjectError, RegrowError
from regrow.cli.log import append, log_path

EXIT_CODES = (
    "Exit codes: 0 the command did its work, also if it refused a version or raised an alarm "
    "(programs read `verdict.result` of --json); 1 an error; 2 a wrong option."
)


class CleanErrors(TyperGroup):
    """Print an error as red lines and exit with 1; a traceback goes to the log."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except RegrowError as error:
            _print_lines(str(error).splitlines(), each=isinstance(error, ProjectError | DataError))
        except (TyperException, Abort, Exit):
            raise
        except BrokenPipeError:
            _close_quietly()
        # The outermost edge: whatever a library or Regrow itself gets wrong is kept, and shown as one line.
        except Exception as error:  # noqa: BLE001
            _print_lines([f"{type(error).__name__}: {error}".splitlines()[0], _keep_traceback()])
        sys.exit(1)


def _print_lines(lines: list[str], each: bool = False) -> None:
    """Print *lines* in red; the first, or *each*, is called an error."""
    stderr = Console(stderr=True, soft_wrap=True, emoji=False)
    for index, line in enumerate(lines):
        prefix = "error: " if index == 0 or each else "  "
        stderr.print(f"{prefix}{line}", style="red", markup=False, highlight=False)


def _keep_traceback() -> str:
    """Write the traceback of the error being handled to the log, and return the line that says where it is."""
    told = traceback.format_exc()
    try:
        append(told)
    except OSError as error:
        return f"not expected, and {log_path()} cannot be written ({error.strerror}):\n{told}"
    return f"not expected; the whole traceback is at the end of {log_path()}"


def _close_quietly() -> None:
    """Let the end of the program find an open standard output: the one that read it is gone (`| head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
