"""Register every project's flows with Prefect and run what is due: `python -m deployments.serve`.

This process waits for months between runs, so it imports little: what needs the flows is done by forks of the preloaded
process, what needs MLflow by a process of its own.
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from deployments import preloaded
from regrow.base.settings import apply_environment, load_settings
from regrow.notifications import sender
from regrow.services.commands import FRESH, POOL, ready_file

EVERY = 300.0
"""Seconds between two looks for what was missed: a server may have been away meanwhile."""
logger = logging.getLogger("regrow.deployments")


async def work(at_once: int, pool: str = POOL, alive: Path | None = None) -> None:
    """Run what is due in *pool*, at most *at_once* runs side by side, until this process is told to stop.

    After hours away dozens may be due at once, and would take all memory. Runs that are under way at the end end with
    it. The file *alive* is renewed as long as this process's loop of events turns.
    """
    from prefect.workers.process import ProcessWorker  # Imported by `register` before.

    worker = ProcessWorker(pool, name=pool, prefetch_seconds=1, limit=at_once)
    working = asyncio.ensure_future(worker.start(printer=logger.info))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    renewing = asyncio.ensure_future(renew(alive)) if alive else None
    with suppress(asyncio.CancelledError):
        await working
    if renewing:
        renewing.cancel()


async def renew(file: Path, pause: float = FRESH / 6) -> None:
    """Renew the time of *file* by this machine's clock, for ever; an attempt that fails leaves it to the next one."""
    while True:
        with suppress(OSError):
            os.utime(file, (time.time(), time.time()))
        await asyncio.sleep(pause)


def register() -> None:
    """Have the flows registered, and import Prefect's worker meanwhile, which takes seconds.

    Raises `CalledProcessError` if it fails.
    """
    with subprocess.Popen([*preloaded.AS_FORK, "deployments.register"]) as registering:
        import_module("prefect.workers.process")
    if registering.returncode:
        raise subprocess.CalledProcessError(registering.returncode, registering.args)


def keep_up(stop: threading.Event) -> threading.Thread:
    """Look every few minutes for what was missed, in a thread, until *stop*."""

    def look() -> None:
        while not stop.wait(EVERY):
            try:
                subprocess.run([sys.executable, "-m", "deployments.catch_up"], check=True, timeout=EVERY)
            except (OSError, subprocess.SubprocessError) as error:
                logger.warning("what was missed is not known: %s", error)

    thread = threading.Thread(target=look, name="catch up", daemon=True)
    thread.start()
    return thread


def main() -> None:
    """Have everything registered, then run what is due until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = load_settings()
    apply_environment(settings)
    with preloaded.running():
        register()
        sender.start(settings.home)
        keep_up(threading.Event())
        asyncio.run(work(settings.runs_at_once, alive=ready_file(settings)))


if __name__ == "__main__":
    main()
