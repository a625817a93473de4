"""The machine: disk, clock, and the libraries that are installed."""

import importlib.metadata
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement

from regrow.base import provenance
from regrow.base.settings import Settings
from regrow.services.doctor.diagnosis import Diagnosis, Health, duration, size

LEAST_BYTES, LITTLE_BYTES = 1e9, 5e9
"""Less room than this stops Regrow soon; less than the second is worth a look."""
LEAST_SHARE = 0.05
STEP_SECONDS = 60.0
"""A file from further in the future than this was written before the clock was set back."""
NAMED = 5
"""How many packages a line names."""


def examine_machine(settings: Settings) -> Iterator[Diagnosis]:
    """Yield what was found of disk, clock and libraries."""
    home = settings.home.absolute()
    yield from look_at_disk(home)
    yield look_at_clock(home, time.time())
    yield from look_at_libraries(_requirements(), _locked(), installed)


def look_at_disk(home: Path) -> Iterator[Diagnosis]:
    """Yield whether the state folder can be written, and how much room it has."""
    if not home.is_dir():
        yield Diagnosis(
            "state folder", "wrong", f"{home} does not exist", "start `regrow up`, or set REGROW_HOME"
        )
        return
    probe = home / ".doctor"
    try:
        probe.write_bytes(b"0" * 4096)
    except OSError as error:
        yield Diagnosis(
            "state folder",
            "wrong",
            f"{home} cannot be written ({error.strerror})",
            "make room, or give the user that runs Regrow the right to write there",
        )
    else:
        yield Diagnosis("state folder", "well", f"{home} can be written")
    finally:
        probe.unlink(missing_ok=True)
    yield look_at_room(home)


def look_at_room(folder: Path) -> Diagnosis:
    """Return how much room the disk of *folder* has."""
    room = shutil.disk_usage(folder)
    free, total = room.free, room.total
    health: Health = "well"
    if free < LEAST_BYTES:
        health = "wrong"
    elif free < LITTLE_BYTES or free < LEAST_SHARE * total:
        health = "warning"
    remedy = "" if health == "well" else "make room: old reports, snapshots and logs, or a larger disk"
    return Diagnosis("disk", health, f"{size(free)} of {size(total)} are free at {folder}", remedy)


def look_at_clock(home: Path, now: float) -> Diagnosis:
    """Return whether the clock was set back: files of ours are from the future then."""
    newest = max(
        (file.stat().st_mtime for file in [*home.glob("parts/*"), *home.glob("logs/*")]), default=now
    )
    if newest - now > STEP_SECONDS:
        return Diagnosis(
            "clock",
            "wrong",
            f"a file under {home} is {duration(newest - now)} from the future: the clock was set back",
            "set the clock right, by NTP; what was logged meanwhile carries wrong times",
        )
    return Diagnosis("clock", "well", "no file is from the future")


def look_at_libraries(
    required: Iterable[Requirement], locked: dict[str, str], version_of: Callable[[str], str | None]
) -> Iterator[Diagnosis]:
    """Yield whether the installed libraries are those that are *required*, and those that are *locked*."""
    broken = [
        f"{each.name} {version_of(each.name) or 'is missing'} (needed: {each.specifier or 'any'})"
        for each in required
        if (each.marker is None or each.marker.evaluate()) and not _satisfies(each, version_of(each.name))
    ]
    if broken:
        yield Diagnosis(
            "libraries",
            "wrong",
            _some(broken),
            "install the lock again: `make install`, or `uv pip install -r requirements.lock`",
        )
        return
    changed = [
        f"{name} {found} (lock: {version})"
        for name, version in sorted(locked.items())
        if (found := version_of(name)) not in {None, version}
    ]
    if changed:
        yield Diagnosis(
            "libraries",
            "warning",
            f"not those of the lock: {_some(changed)}",
            "install the lock: `make install`",
        )
    else:
        yield Diagnosis("libraries", "well", "all are of the versions that Regrow was tested with")


def installed(name: str) -> str | None:
    """Return the version of the package *name* in this Python; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _satisfies(required: Requirement, version: str | None) -> bool:
    """Return whether *version* is one that is *required*."""
    return version is not None and required.specifier.contains(version, prereleases=True)


def _requirements() -> list[Requirement]:
    """Return what Regrow itself needs."""
    needed = map(Requirement, importlib.metadata.requires("regrow") or ())
    return [each for each in needed if each.marker is None or "extra" not in str(each.marker)]


def _locked() -> dict[str, str]:
    """Return the version of each package in the lock; empty without one, as in a wheel."""
    if not provenance.LOCK.is_file():
        return {}
    lines = re.findall(
        r"^([A-Za-z0-9._-]+==[^\\\n]+)", provenance.LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    pinned = [Requirement(line.strip()) for line in lines]
    return {
        each.name: str(each.specifier).removeprefix("==")
        for each in pinned
        if each.marker is None or each.marker.evaluate()
    }


def _some(names: list[str]) -> str:
    """Return the first *names*, and how many more there are."""
    more = f", and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
