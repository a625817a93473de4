"""Locks between processes, and files that are there whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from regrow.base import provenance
from regrow.base.errors import StateError
from regrow.data import files
from regrow.data.files import (
    locked_file,
    make_folders,
    make_locked_folder,
    remove_partials,
    take_over,
    was_never_locked,
    write_whole,
)


def hold_elsewhere(code: str) -> subprocess.Popen[str]:
    """Start a process that runs *code*, says `held` and sleeps; wait until it has said so."""
    text = f"from pathlib import Path\nimport time\nfrom regrow.data.files import *\n{code}"
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_file_is_locked_once(tmp_path: Path) -> None:
    """Of two blocks that want one file one gets it; the next gets it when that one has ended."""
    path = tmp_path / "lock"
    with locked_file(path) as first, locked_file(path) as second:
        assert (first, second) == (True, False)
    with locked_file(path) as again:
        assert again


def test_a_killed_process_holds_no_file(tmp_path: Path) -> None:
    """A lock of a living process is respected; `kill -9` gives it back."""
    path = tmp_path / "lock"
    code = f"with locked_file(Path({str(path)!r})):\n    print('held', flush=True)\n    time.sleep(60)\n"
    process = hold_elsewhere(code)
    try:
        with locked_file(path) as got:
            assert not got
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with locked_file(path) as got:
        assert got


def test_a_folder_belongs_to_its_process_until_that_dies(tmp_path: Path) -> None:
    """A locked folder cannot be taken over while its process lives, and can when it was killed."""
    code = (
        f"h = make_locked_folder(Path({str(tmp_path)!r}), 'one')\nprint('held', flush=True)\ntime.sleep(60)\n"
    )
    process = hold_elsewhere(code)
    try:
        assert take_over(tmp_path / "one") is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    handle = take_over(tmp_path / "one")
    assert handle is not None
    assert take_over(tmp_path / "one") is None
    os.close(handle)


def test_a_folder_without_a_lock_is_left_alone(tmp_path: Path) -> None:
    """What holds no lock file belongs to nobody and is not taken over."""
    assert take_over(tmp_path) is None


def test_only_an_old_hidden_folder_counts_as_never_locked(tmp_path: Path) -> None:
    """A folder whose process may still be locking it stays; one that was left so a minute ago does not."""
    os.close(make_locked_folder(tmp_path, "whole"))
    hidden = tmp_path / ".begun"
    hidden.mkdir()
    assert [was_never_locked(tmp_path / "whole", -1), was_never_locked(hidden)] == [False, False]
    old = time.time() - 61
    os.utime(hidden, (old, old))
    assert was_never_locked(hidden)


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk refuses, the old content stands, nothing is left beside it, and the error says what to do."""
    path = tmp_path / "note.json"
    write_whole(path, b"old")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StateError, match=r"note\.json: cannot be written \(No space left .*REGROW_HOME"):
            write_whole(path, b"new")
        assert path.read_bytes() == b"old"
        write_whole(path, b"newer", flush=False)
    assert [file.name for file in tmp_path.iterdir()] == ["note.json"]
    assert path.read_bytes() == b"newer"


def test_a_whole_file_can_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    """The file is as open to others as any file that this process makes."""
    (tmp_path / "plain").write_bytes(b"")
    write_whole(tmp_path / "whole", b"")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_only_the_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    """A partial file whose process lives stays, one whose process died goes; one of another machine goes by age."""
    host = provenance.process_identity().rsplit(":", 2)[0]
    names = (
        f"{provenance.process_identity()}~a",
        f"{host}:999999:1.00~b",
        "elsewhere:1:1.00~c",
        "elsewhere:1:1.00~d",
    )
    paths = [tmp_path / f"{name}.partial" for name in names]
    for path in paths:
        path.touch()
    os.utime(paths[-1], (0, 0))
    remove_partials(tmp_path)
    assert [path.exists() for path in paths] == [True, False, True, False]


def test_new_folders_are_there_after_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of each folder that is made is flushed; one that is there costs nothing."""
    flushed: list[Path] = []
    monkeypatch.setattr(files, "flush_to_disk", flushed.append)
    make_folders(tmp_path / "a" / "b")
    assert flushed == [tmp_path, tmp_path / "a"]
    make_folders(tmp_path / "a" / "b")
    assert flushed == [tmp_path, tmp_path / "a"]
