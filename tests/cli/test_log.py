"""What libraries write goes to the log of the commands, and to nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from regrow.cli import log

NOISE = """
import logging, os, sys, subprocess, warnings
from regrow.cli.log import quiet
with quiet("making noise"):
    print("printed")
    print("complained", file=sys.stderr)
    warnings.warn("warned")
    logging.getLogger("library").warning("logged")
    os.write(1, b"native\\n")
    subprocess.run([sys.executable, "-c", "print('by a child')"])
print("the answer")
"""


def test_all_that_is_written_meanwhile_goes_to_the_log(tmp_path: Path) -> None:
    """Prints, warnings, log lines, native output and that of children are in the log; the terminal stays clean."""
    done = subprocess.run(
        [sys.executable, "-c", NOISE],
        env={"REGROW_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("the answer\n", "")
    written = (tmp_path / "logs" / "commands.log").read_text()
    for noise in ("printed", "complained", "warned", "logged", "native", "by a child"):
        assert noise in written


def test_streams_come_back_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """After a command that failed, standard output and error are what they were."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    streams = sys.stdout, sys.stderr
    with pytest.raises(ZeroDivisionError), log.quiet("failing"):
        raise ZeroDivisionError
    assert (sys.stdout, sys.stderr) == streams
    sys.stdout.write("seen\n")
    assert capfd.readouterr().out == "seen\n"


def test_the_log_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that has grown beyond its limit is put aside once, so that two files of that size are the most."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    monkeypatch.setattr(log, "LIMIT", 10)
    for text in ("first, long enough", "second, long enough", "third"):
        log.append(text)
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == [
        "commands.log",
        "commands.previous.log",
    ]
    assert log.log_path().read_text() == "third"
    assert log.log_path().with_suffix(".previous.log").read_text() == "second, long enough"
