"""The demonstration: a model lives through a real year, with the same parts that production uses."""

import os

from regrow.base.settings import apply_environment, load_settings
from regrow.services.ownership import prepare_home, secret

QUICK = {"PREFECT_WORKER_QUERY_SECONDS": "0.3", "REGROW_JOURNAL_SECONDS": "0.2"}
"""Seconds between two questions of Prefect's worker for runs, and until rows are in the log: here somebody waits for
each of dozens."""


def main() -> None:
    """Replay the year; Prefect reads its environment and its folder when it is imported, so they come first."""
    for name, seconds in QUICK.items():
        os.environ.setdefault(name, seconds)
    settings = load_settings()
    prepare_home(settings.home.absolute())
    (settings.home.absolute() / "prefect").mkdir(exist_ok=True)
    secret(settings.password_file)
    apply_environment(settings)
    from regrow.demo.replay import replay

    replay()
