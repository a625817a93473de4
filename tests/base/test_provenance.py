"""What a result came from: the digest of the code, the lock, the state of git, the process."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from regrow.base import provenance

COUNTS = ["regrow/lineage/steps.py", "regrow/base/settings.py", "tasks/fit.py", "tasks/demo.py"]
COUNTS_NOT = ["regrow/cli/main.py", "regrow/cli.py", "regrow/serving/routes.py", "regrow/services/stack.py",
              "regrow/demo/page.py", "flows/train.py", "tests/tasks/test_fit.py"]  # fmt: skip


@pytest.mark.parametrize("place", ["here", "demo", "services/tests", "serving/site-packages"])
def test_changed_code_changes_the_digest_wherever_it_lies(place: str, tmp_path: Path) -> None:
    """What can change a step's result counts, the server, the commands and the demonstration do not, in any folder."""
    root = tmp_path / place
    for name in [*COUNTS, *COUNTS_NOT]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a = 1\n")
    seen = [provenance.digest_code(root)]
    for name in COUNTS:
        (root / name).write_text("a = 2\n")
        seen.append(provenance.digest_code(root))
    assert len(set(seen)) == len(seen)
    for name in COUNTS_NOT:
        (root / name).write_text("a = 2\n")
    assert provenance.digest_code(root) == seen[-1]
    (root / "tasks/fit.py").rename(root / "tasks/refit.py")
    assert provenance.digest_code(root) != seen[-1]


def test_the_digest_is_of_the_code_that_runs() -> None:
    """It is that of the folder that holds `regrow`, and holds the steps too."""
    assert provenance.code_digest() == provenance.digest_code(Path(provenance.__file__).parents[2])
    assert (provenance.ROOT / "tasks" / "fit.py").is_file()


def test_without_its_lock_the_installed_packages_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From a wheel there is no lock: another version of any package gives another digest all the same."""
    monkeypatch.setattr(provenance, "LOCK", tmp_path / "requirements.lock")
    installed = provenance.digest_packages({"numpy": "2.3.0", "pandas": "3.0.6"})
    assert installed == provenance.digest_packages({"pandas": "3.0.6", "numpy": "2.3.0"})
    assert installed != provenance.digest_packages({"pandas": "3.0.6", "numpy": "2.3.1"})
    assert len(provenance.lock_digest.__wrapped__()) == 64


def test_a_library_that_is_installed_beside_the_lock_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed decides what a fit gives: another scikit-learn is another environment under one lock."""
    before = provenance.environment_digest()
    assert provenance.environment_digest.__wrapped__() == before
    installed = provenance.installed_version
    changed = {"scikit-learn": "9.0.0"}
    monkeypatch.setattr(provenance, "installed_version", lambda name: changed.get(name) or installed(name))
    assert provenance.environment_digest.__wrapped__() != before


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_state_of_git_is_told(tmp_path: Path) -> None:
    """A clean folder gives its commit, a changed or new file makes it dirty, a folder outside of git gives nothing."""
    assert provenance.git_state(tmp_path) == {}
    git(tmp_path, "init", "-q")
    assert provenance.git_state(tmp_path) == {}
    (tmp_path / "model.yaml").write_text("name: a\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert provenance.git_state(tmp_path) == {"git.commit": commit, "git.dirty": "false"}
    (tmp_path / "model.yaml").write_text("name: b\n")
    assert provenance.git_state(tmp_path) == {"git.commit": commit, "git.dirty": "true"}
    git(tmp_path, "commit", "-qam", "second")
    (tmp_path / "new.py").touch()
    assert provenance.git_state(tmp_path)["git.dirty"] == "true"
    assert provenance.git_state(tmp_path)["git.commit"] != commit


def test_git_that_does_not_answer_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git, or with one that hangs, there is no commit, and no error."""
    for error in (FileNotFoundError("git"), subprocess.TimeoutExpired("git", 20)):
        monkeypatch.setattr(subprocess, "run", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
        assert provenance.git_state(tmp_path) == {}


HOST, PID, START = provenance.process_identity().rsplit(":", 2)


def test_a_clock_that_steps_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is named by boot and ticks: it lives on when the time of its start seems to be another."""
    created = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: created(process) + 3600)
    assert not provenance.has_died(provenance.process_identity())
    assert not provenance.has_died(f"{HOST}:{PID}:{START}")


@pytest.mark.parametrize(
    "identity",
    [
        f"{HOST}:{PID}:{START}0",
        f"{HOST}:{PID}:{START.replace(START[:8], '00000000')}",
        f"{HOST}:999999999:{START}",
        f"{HOST}:{PID}:1764000000.00",
    ],
    ids=["the number used again", "before a reboot", "gone", "of the version before"],
)
def test_a_process_that_is_gone_has_died(identity: str) -> None:
    """Neither the same number nor the same ticks after another boot make it the same process."""
    assert provenance.has_died(identity)
    assert not provenance.has_died(identity.replace(HOST, "another-host", 1))


def test_a_process_that_the_version_before_has_named_lives() -> None:
    """What Regrow 0.3 wrote, the time of the start, is understood while it runs."""
    created = psutil.Process().create_time()
    assert not provenance.has_died(f"{HOST}:{PID}:{created:.2f}")
    assert provenance.runs(int(PID), created)
    assert not provenance.runs(int(PID), 1.0)


def test_any_name_and_a_dead_child_that_nobody_asked_for(tmp_path: Path) -> None:
    """A program may be named like the end of its own name; one that has ended is gone, though its number is not."""
    odd = tmp_path / "a) S 1 (b"
    odd.write_bytes(Path("/bin/sleep").read_bytes())
    odd.chmod(0o700)
    process = subprocess.Popen([odd, "60"])
    started = provenance.start_of(process.pid)
    assert started is not None
    assert started.startswith(START.rpartition(".")[0])
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert provenance.start_of(process.pid) is None
    assert not provenance.runs(process.pid, started)
    process.wait()


def test_a_system_without_proc_has_the_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Elsewhere than on Linux a process is named by the time of its start, as before."""
    monkeypatch.setattr(provenance, "BOOT", tmp_path / "none")
    identity = provenance.process_identity()
    assert identity == f"{HOST}:{PID}:{psutil.Process().create_time():.2f}"
    assert not provenance.has_died(identity)
