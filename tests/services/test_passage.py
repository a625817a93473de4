"""A folder that is closed to all lets one user through, and nobody else."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from regrow.base.errors import StateError
from regrow.services import passage
from regrow.services.passage import let_through

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
DAEMON, NOBODY = pwd.getpwnam("daemon"), pwd.getpwnam("nobody")


@pytest.fixture
def closed() -> Iterator[Path]:
    """Make a closed folder with one in it that everybody might read."""
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder, "inner")
        inner.mkdir()
        inner.chmod(0o755)
        yield inner


def may(user: pwd.struct_passwd, *command: str) -> bool:
    done = subprocess.run(command, user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/", check=False)
    return done.returncode == 0


def test_one_user_passes_and_lists_nothing(closed: Path) -> None:
    """The user passes to what lies below and cannot list the closed folder; others stay out; again changes nothing."""
    assert not may(DAEMON, "test", "-r", str(closed))
    for _ in range(2):
        let_through(closed, DAEMON)
        assert may(DAEMON, "test", "-r", str(closed))
        assert not may(DAEMON, "test", "-r", str(closed.parent))
        assert not may(NOBODY, "test", "-r", str(closed))


def test_what_is_allowed_already_stays(closed: Path) -> None:
    """A second user's entry leaves the first one's, and the group's own rights, as they were."""
    closed.parent.chmod(0o750)
    let_through(closed, DAEMON)
    let_through(closed, NOBODY)
    assert may(DAEMON, "test", "-r", str(closed))
    assert may(NOBODY, "test", "-r", str(closed))
    group = [permissions for kind, permissions, _ in passage._entries(closed.parent) if kind == passage.GROUP]
    assert group == [0o5]


def test_a_file_system_without_access_lists_is_told(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the list cannot be written the error names the folder, the user and what to do."""

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    with pytest.raises(StateError, match=r"daemon cannot pass this folder; start Regrow as another user"):
        let_through(closed, DAEMON)
