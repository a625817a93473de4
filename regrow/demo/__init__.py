"""The demonstration: a model lives through a real year, with the same parts that production uses."""

import os
import sys
import threading
from functools import partial
from importlib import import_module

from rich.console import Console

from regrow.base.settings import apply_environment, load_settings
from regrow.services.ownership import prepare_home, secret

QUICK = {"PREFECT_WORKER_QUERY_SECONDS": "0.2", "REGROW_JOURNAL_SECONDS": "0.2"}
"""Seconds between two questions of Prefect's worker for runs, and until rows are in the log: here somebody waits for
each of dozens."""
WIDTH = 120
"""Columns of the table if the output is no terminal."""


def main() -> None:
    """Replay the year from where the last demonstration stopped, and leave a table, a picture and a page.

    Raises `StateError` if the state folder holds other work, `Unreachable` if a service fails.
    """
    for name, seconds in QUICK.items():
        os.environ.setdefault(name, seconds)
    settings = load_settings()
    home = settings.home.absolute()
    prepare_home(home)
    # Prefect reads its environment and its folder when it is imported, so they come first.
    (home / "prefect").mkdir(exist_ok=True)
    secret(settings.password_file)
    apply_environment(settings)
    from regrow.demo.example import open_example
    from regrow.demo.story import open_story
    from regrow.services import running

    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    report = partial(console.print, style="dim", highlight=False, markup=False)
    story, project = open_story(home), open_example(settings.configs, report)
    # The seconds of imports pass while the servers start.
    threading.Thread(target=import_module, args=("regrow.demo.replay",), daemon=True).start()
    with running(settings, report=lambda line: report(f"  {line}")) as services:
        from regrow.demo.replay import replay

        story = replay(console, services, project, story)
    from regrow.demo import page

    console.print(page.table(story))
    console.print(page.summary(story))
    console.print(f"\nAll of it on one page: [bold]{page.write(home, story)}[/bold]")
    console.print("Look around in what it left: [bold]regrow up[/bold], or in a clone [bold]make up[/bold]")
