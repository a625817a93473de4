"""`regrow down`: from another process than the one that runs the parts."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from regrow.base.provenance import start_of
from regrow.base.settings import Settings
from regrow.services import stop_running
from regrow.services.ownership import describe, held, read_record

HOLD = """
import os, sys, time
from pathlib import Path
from regrow.services.ownership import Record, held, write_record
home = Path(sys.argv[1])
with held(home, sys.argv[2:]):
    for part in sys.argv[2:]:
        write_record(home, part, Record(os.getpid(), None))
    print("held", flush=True)
    time.sleep(60)
"""


def test_down_without_up_stops_nothing(tmp_path: Path) -> None:
    """`regrow down` on a folder that nothing uses does nothing and says so by an empty list."""
    assert stop_running(Settings(home=tmp_path)) == []
    assert stop_running(Settings(home=tmp_path / "never")) == []


def test_down_stops_every_start_of_parts_and_waits_for_it(tmp_path: Path) -> None:
    """Parts that two `regrow up` run are stopped by one `regrow down`, each start told once; then all is free."""
    holders = [
        subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), *parts], stdout=subprocess.PIPE)
        for parts in (("postgres", "prefect"), ("server",))
    ]
    for each in holders:
        assert each.stdout and each.stdout.readline() == b"held\n"
    assert stop_running(Settings(home=tmp_path)) == ["regrow up"]
    assert [each.wait(5) for each in holders] == [-signal.SIGTERM] * 2
    with held(tmp_path, ("postgres", "prefect", "server")):
        assert read_record(tmp_path, "server") is None
    assert start_of(os.getpid()) == describe("this", os.getpid()).started
