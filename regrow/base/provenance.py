"""What a result came from besides its data: code, lock, git commit, machine process."""

import hashlib
import importlib.metadata
import os
import re
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
OUTSIDE_OF_STEPS = {"cli", "cli.py", "demo", "notifications", "services", "serving"}
"""What no step runs: a change there leaves stored results as they are."""
MODEL_PACKAGES = ("mlflow", "scikit-learn", "scipy", "numpy", "pandas", "skops", "cloudpickle")
LIBRARIES = ("numpy", "pandas", "scikit-learn", "skops")
"""What every model is made with."""
BOOSTERS = ("lightgbm", "xgboost", "xgboost-cpu")
"""What many are made with beside these."""

BOOT = Path("/proc/sys/kernel/random/boot_id")
START = 18
"""The place of a process's start in /proc/PID/stat, of the fields behind its state."""
ENDED = (b"Z", b"X")
"""The states of a process that has ended and whose parent has not asked yet."""


@cache
def code_digest() -> str:
    """Return the hash of the code that runs: whatever of it can change a step's result."""
    return digest_code(ROOT)


def digest_code(root: Path) -> str:
    """Hash the core and the tasks under *root*, without the parts of the core that no step runs."""
    content = hashlib.sha256()
    for file in sorted([*(root / "regrow").rglob("*.py"), *(root / "tasks").rglob("*.py")]):
        name = file.relative_to(root)
        if name.parts[0] == "regrow" and name.parts[1] in OUTSIDE_OF_STEPS:
            continue
        content.update(f"{name.as_posix()}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return content.hexdigest()


@cache
def lock_digest() -> str:
    """Hash the lock of all packages; without a lock, as in a wheel, the packages that are installed."""
    if LOCK.is_file():
        return hashlib.sha256(LOCK.read_bytes()).hexdigest()
    installed = importlib.metadata.distributions()
    return digest_packages({each.name: each.version for each in installed if each.name})


def digest_packages(versions: dict[str, str]) -> str:
    """Hash the *versions* of packages, by name; their order does not matter."""
    lines = sorted(f"{name.lower()}=={version}" for name, version in versions.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@cache
def pinned_requirements(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Return the distributions that a stored model of *packages* needs, pinned as the lock has them."""
    found_in = (name for package in packages for name in _distributions_of(package))
    wanted = {name.lower() for name in (*MODEL_PACKAGES, *found_in)}
    text = LOCK.read_text(encoding="utf-8") if LOCK.is_file() else ""
    lines = re.findall(r"^([A-Za-z0-9._-]+==[^\\\n]+)", text, flags=re.MULTILINE)
    found = [Requirement(line.strip()) for line in lines]
    pinned = {
        item.name.lower(): f"{item.name}{item.specifier}"
        for item in found
        if item.name.lower() in wanted and (item.marker is None or item.marker.evaluate())
    }
    for name in wanted - set(pinned):
        pinned[name] = f"{name}=={importlib.metadata.version(name)}"
    return tuple(pinned[name] for name in sorted(pinned))


@cache
def library_versions(packages: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the installed versions of the libraries with which a model whose classes are of *packages* is made."""
    found_in = {name for package in packages for name in _distributions_of(package)}
    return {name: importlib.metadata.version(name) for name in sorted({*LIBRARIES, *found_in})}


@cache
def environment_digest() -> str:
    """Hash the lock and what is installed of the libraries that make a model, whatever the lock says of them."""
    versions = {name: installed_version(name) or "" for name in (*LIBRARIES, *BOOSTERS)}
    return digest_packages({"lock": lock_digest(), **versions})


def installed_version(name: str) -> str | None:
    """Return the version of the distribution *name* that is installed; None if it is not."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _distributions_of(package: str) -> list[str]:
    """Name the distributions that bring *package*: the search for those of another name reads every file list."""
    named = {"sklearn": "scikit-learn"}.get(package, package)
    with suppress(importlib.metadata.PackageNotFoundError):
        return [importlib.metadata.distribution(named).name]
    return distributions_by_package().get(package, [])


@cache
def distributions_by_package() -> Mapping[str, list[str]]:
    """Read the file lists of all installed distributions, which takes up to half a second: once a process."""
    return importlib.metadata.packages_distributions()


def git_state(folder: Path) -> dict[str, str]:
    """Return the git commit of *folder* and whether files differ from it; nothing outside of git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git(folder, "status", "--porcelain")
    return {"git.commit": commit, "git.dirty": "unknown" if changes is None else str(bool(changes)).lower()}


def _git(folder: Path, *words: str) -> str | None:
    """Ask git in *folder*; None if there is no git, no repository, or no answer in time."""
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=20
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def process_identity() -> str:
    """Name this process so that another can tell whether it still lives: host, pid, start."""
    return f"{socket.gethostname()}:{os.getpid()}:{start_of(os.getpid())}"


def has_died(identity: str) -> bool:
    """Return whether the process named *identity* ran on this host and is gone; False if that cannot be known."""
    host, pid, started = identity.rsplit(":", 2)
    return host == socket.gethostname() and not runs(int(pid), started)


def start_of(pid: int) -> str | None:
    """Return what tells the process *pid* from all others that had or will have that number; None if it is gone.

    It is the boot of the machine and the clock ticks from there to the start of the process (proc(5)), which no change
    of the clock moves. A system that does not tell them has only the time of the start.
    """
    if not BOOT.exists():
        return _start_by_clock(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(b")")[2].split()  # The name before it may hold anything.
    return None if state in ENDED else f"{BOOT.read_text().strip()}.{fields[START].decode()}"


def runs(pid: int, started: str | float) -> bool:
    """Return whether *pid* is the process that `start_of` named *started*; Regrow 0.3 wrote seconds since 1970."""
    now = start_of(pid) if "-" in str(started) else _start_by_clock(pid)
    if now is None or "-" in now:
        return now == started
    return now == f"{float(started):.2f}"


def _start_by_clock(pid: int) -> str | None:
    """Return when *pid* started by the clock, which may have been changed since; None if it is gone."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None
