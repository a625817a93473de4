"""The demonstration's project files: shipped with Regrow, put where `regrow up` finds them."""

import shutil
from collections.abc import Callable
from pathlib import Path

from regrow.base.errors import StateError
from regrow.project import Project, PythonSource, load_project

_IN_WHEEL = Path(__file__).with_name("configs")
SHIPPED = _IN_WHEEL if _IN_WHEEL.is_dir() else Path(__file__).parents[2] / "configs"
"""The folder of the files: a wheel holds it beside this file, a clone at its top."""
NAMES = ("flights.yaml", "flights.py", "diabetes.yaml", "schema.json")
LOADER = "flights:load"


def open_example(folder: Path, report: Callable[[str], None] = lambda _: None) -> Project:
    """Return the project of the flights in *folder*; write the example's files there if it is not there yet.

    *report* hears of each file that is written. Raises `StateError` if *folder* holds another `flights`.
    """
    folder = folder.absolute()
    if not (folder / NAMES[0]).exists():
        _write(folder, report)
    project = load_project(folder / NAMES[0])
    source = project.data.source
    if project.name != "flights" or not isinstance(source, PythonSource) or source.load != LOADER:
        raise StateError(
            f"{project.path}: is not the demonstration's; run it in an empty folder, or name one by REGROW_CONFIGS"
        )
    return project


def _write(folder: Path, report: Callable[[str], None]) -> None:
    """Write each file of the example into *folder*, but none over another."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            if not (folder / name).exists():
                shutil.copyfile(SHIPPED / name, folder / name)
                report(f"wrote {folder / name}")
    except OSError as error:
        raise StateError(
            f"{folder}: cannot be written ({error.strerror}); name another by REGROW_CONFIGS"
        ) from error
