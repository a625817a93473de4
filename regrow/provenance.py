"""What a result came from besides its data: code, lock, git commit, machine process."""

import hashlib
import importlib.metadata
import os
import re
import socket
import subprocess
from functools import cache
from pathlib import Path

import psutil
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
MODEL_PACKAGES = ("mlflow", "scikit-learn", "scipy", "numpy", "pandas", "skops", "cloudpickle")


@cache
def code_digest() -> str:
    """Hash the source of the core and of the tasks: whatever can change a step's result."""
    content = hashlib.sha256()
    for file in sorted([*(ROOT / "regrow").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]):
        if not {"serving", "services", "demo", "cli.py"} & set(file.parts):
            content.update(file.read_bytes())
    return content.hexdigest()


@cache
def lock_digest() -> str:
    """Hash the lock of all installed packages; `none` where Regrow runs without its lock."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.is_file() else "none"


@cache
def pinned_requirements(estimator: str) -> tuple[str, ...]:
    """Give the packages that a stored model of class *estimator* needs, pinned as the lock has them."""
    wanted = {name.lower() for name in (*MODEL_PACKAGES, *_distributions_of(estimator.partition(".")[0]))}
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


def _distributions_of(package: str) -> list[str]:
    """Name the distributions that bring *package*; scikit-learn is known, for the search reads every file list."""
    if package == "sklearn":
        return ["scikit-learn"]
    return importlib.metadata.packages_distributions().get(package, [])


def git_state(folder: Path) -> dict[str, str]:
    """Give the git commit of *folder* and whether its tree differs from it; empty outside of git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    return {"git.commit": commit, "git.dirty": str(bool(_git(folder, "status", "--porcelain"))).lower()}


def _git(folder: Path, *words: str) -> str | None:
    """Ask git in *folder*; None where there is no git or no repository."""
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=20
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def process_identity() -> str:
    """Name this process so that another can tell whether it still lives: host, pid, start time."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def has_died(identity: str) -> bool:
    """Say whether the process named *identity* ran on this host and is gone; False where that cannot be known."""
    host, pid, started = identity.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True
