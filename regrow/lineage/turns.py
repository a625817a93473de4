"""One training of a model at a time, whoever starts it: `train` and `retrain`, a person, a schedule or an alarm."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from regrow.base.settings import load_settings
from regrow.data.files import locked_file
from regrow.project import Project

PAUSE = 0.5
"""Seconds between two looks at whether the other training has ended."""
logger = logging.getLogger("regrow.lineage")


@contextmanager
def turn_to_train(project: Project) -> Iterator[None]:
    """Wait until no other training of *project* runs on this state folder, and keep others waiting meanwhile.

    The turn of a process that dies passes on at once.
    """
    folder = load_settings().home.absolute() / "turns"
    folder.mkdir(parents=True, exist_ok=True)
    waited = False
    while True:
        with locked_file(folder / f"{project.name}.lock") as is_ours:
            if is_ours:
                yield
                return
        if not waited:
            logger.warning("another training of %s runs; this one waits for its end", project.name)
            waited = True
        time.sleep(PAUSE)
