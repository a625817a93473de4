"""A power cut, by copies of a disk that a server writes to: no table is lost, and no row that was promised.

The state lies on an ext4 image on a loop device. A copy of the image holds what the device had been told to keep, and
nothing of what still stood in memory: the disk as a power cut at that moment leaves it.
"""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from regrow.data.delta import open_table
from regrow.serving.log.flush import Flusher

LOG = logging.getLogger(__name__)
WRITER = """
import sys, time
from pathlib import Path
import orjson
from regrow.serving.log.flush import Flusher
from regrow.serving.log.journals import Journals

home, setting = Path(sys.argv[1]), sys.argv[2]
journals, flusher = Journals(home / "journal", synced=setting == "group"), Flusher(home / "journal")
columns, number, flushed = {"hour": "double"}, 0, time.monotonic()
row = {"entity_id": None, "event_time": None, "features": [1.0], "prediction": [0.5], "version": 3, "seconds": 0.001}

def tell(*words):
    print(*words, flush=True)

while True:
    model = f"m{number % 2 + number // 2000 * 2}"  # Now and then two new models, so that tables begin under load too.
    names = [f"{number}-{place}" for place in range(5)]
    lines = [orjson.dumps(row | {"prediction_id": name, "served_at": time.time_ns() // 1000}) for name in names]
    journals.journal(model).append(columns, lines)
    tell("answered", number)
    number += 1
    time.sleep(0.002)
    if time.monotonic() - flushed > 0.5:
        assert journals.rotate() == []
        flusher.attempt()
        tell("flushed" if flusher.error is None else f"failed {flusher.error}", number)
        flushed = time.monotonic()
"""


def run(*words: str | Path) -> str:
    """Run a command of the system and return what it prints."""
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[str]:
    """Mount *image* at *place* and yield the name of its loop device."""
    place.mkdir(exist_ok=True)
    device = run("losetup", "--find", "--show", image)
    try:
        run("mount", device, place)
        yield Path(device).name
    finally:
        subprocess.run(["umount", place], check=False, capture_output=True)
        subprocess.run(["losetup", "--detach", device], check=False, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Path, str]]:
    """Make an ext4 image; yield it with the place where it is mounted and its device."""
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    try:
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
        holder = mounted(image, tmp_path / "mounted")
        device = holder.__enter__()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no loop device can be mounted here, which takes root: {error}")
    yield image, tmp_path / "mounted", device
    holder.__exit__(None, None, None)


def copy_at_once(image: Path, copy: Path, device: str) -> None:
    """Copy *image* while its *device* is written by nobody, so that the copy is of one moment."""
    counts = Path(f"/sys/block/{device}/stat")
    for _ in range(100):
        before = counts.read_text().split()
        shutil.copyfile(image, copy)
        after = counts.read_text().split()
        if before[4] == after[4] and before[8] == after[8] == "0":
            return
    raise AssertionError(f"{device} is written all the time")


def read_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Start on the state at *home* as the next server does; return the rows that are logged."""
    monkeypatch.setenv("REGROW_HOME", str(home))
    flusher = Flusher(home / "journal")
    flusher.attempt()
    assert flusher.error is None
    found = list[str]()
    for path in sorted((home / "tables" / "predictions").glob("*")):
        table = open_table(path)
        found += (
            table.to_pyarrow_table(columns=["prediction_id"])["prediction_id"].to_pylist() if table else []
        )
    assert len(found) == len(set(found)), "a row is there twice"
    return set(found)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("setting", ["group", "off"])
def test_a_power_cut_takes_no_more_than_was_said(
    disk: tuple[Path, Path, str],
    setting: str,
    size: Callable[[int, int], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At any moment under load: every table opens, no row is there twice, and what was promised is there.

    With `group` that is every acknowledged row, else every row that was acknowledged before the last flush began.
    """
    (image, place, device), moments = disk, size(8, 50)
    home, cuts, told = place / "home", list[tuple[int, int]](), tmp_path / "told"
    with told.open("wb") as stream:
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(home), setting],
            env={**os.environ, "REGROW_HOME": str(home)},
            stdout=stream,
        )
    try:
        while not told.read_bytes():
            assert writer.poll() is None
            time.sleep(0.1)
        for moment in range(moments):
            time.sleep(0.05 + 0.037 * (moment % 23))
            writer.send_signal(signal.SIGSTOP)
            copy = tmp_path / "copy"
            copy_at_once(image, copy, device)
            whole, _, _ = told.read_text().rpartition("\n")  # the writer may have stopped within a line
            words = [line.split(" ", 1) for line in whole.splitlines()]
            answered = sum(word == "answered" for word, _ in words)
            flushed = max((int(rest) for word, rest in words if word == "flushed"), default=0)
            writer.send_signal(signal.SIGCONT)
            assert "failed" not in {word for word, _ in words}
            with mounted(copy, tmp_path / f"copy-{moment}"):
                rows = read_back(tmp_path / f"copy-{moment}" / "home", monkeypatch)
            cuts.append((answered * 5, len(rows)))
            promised = answered if setting == "group" else flushed
            lost = {f"{number}-{row}" for number in range(promised) for row in range(5)} - rows
            assert not lost, f"moment {moment}: {len(lost)} of {promised * 5} promised rows are gone"
    finally:
        writer.kill()
        writer.wait()
    assert len({answered for answered, _ in cuts}) > moments / 2
    LOG.info("%s: rows answered and rows found at each cut: %s", setting, cuts)
