"""A command says what it waits for, and ends if that does not come."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from regrow.base import reach
from regrow.base.settings import Settings, load_settings
from regrow.cli import waiting
from regrow.cli.waiting import tell_waits

GONE = """
import time
from regrow.cli import waiting
from regrow.cli.log import quiet
from regrow.base.settings import load_settings
waiting.PAUSE, waiting.TELL, waiting.END = 0.05, 0.1, 0.5
with waiting.tell_waits(load_settings()), quiet("training"):
    time.sleep(60)
"""


def test_a_server_that_is_gone_is_told_and_ends_the_command(tmp_path: object) -> None:
    """Within the stated time it says who does not answer and what to do, then ends with exit code 1 and an error."""
    environment = {
        "REGROW_HOME": str(tmp_path),
        "PYTHONPATH": ":".join(sys.path),
        "PREFECT_API_URL": "http://127.0.0.1:1/api",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/m.db",
    }
    done = subprocess.run(
        [sys.executable, "-c", GONE], env=environment, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 1
    waits, error = done.stderr.splitlines()
    assert waits.startswith("waiting: Prefect does not answer at http://127.0.0.1:1/api/health (")
    assert "is `regrow up` running? This gives up after 0 seconds" in waits
    assert error.startswith("error: Prefect does not answer at")
    assert "start the servers with `regrow up`, or set PREFECT_API_URL, and run the command again" in error


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Name servers that none of these tests reaches."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///m.db")
    return load_settings()


def test_a_server_that_comes_back_is_told(
    settings: Settings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short silence is not told; a longer one is, and its end too, and the command goes on."""
    monkeypatch.setattr(waiting, "PAUSE", 0.01)
    monkeypatch.setattr(waiting, "TELL", 0.05)
    answers = iter([None, "refused", None])
    last: list[str | None] = ["refused"]

    def look(url: str, timeout: float) -> str | None:
        return next(answers, last[0])

    monkeypatch.setattr(reach, "why_silent", look)
    told: list[str] = []

    def says(words: str) -> bool:
        told.extend(capfd.readouterr().err.splitlines())
        return any(words in line for line in told)

    with tell_waits(settings):
        _until(lambda: says("waiting: Prefect does not answer"))
        last[0] = None
        _until(lambda: says("Prefect answers again"))
    assert len(told) == 2


def test_another_training_is_waited_for_aloud(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    """That another training of the model runs is told, as long as the command works."""
    with tell_waits(settings):
        logging.getLogger("regrow.lineage").warning("another training of %s runs", "m")
    logging.getLogger("regrow.lineage").warning("later")
    assert capfd.readouterr().err == "waiting: another training of m runs\n"


def test_ctrl_c_leaves_a_word(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever stops a command is told what is kept, where its runs are shown, and where the log is."""
    with pytest.raises(KeyboardInterrupt), tell_waits(settings):
        raise KeyboardInterrupt
    told = capfd.readouterr().err
    assert "what its steps finished is kept; the same command takes it up again" in told
    assert f"{settings.prefect_ui_url}/runs" in told
    assert "commands.log" in told


def _until(holds: Callable[[], bool], limit: float = 10.0) -> None:
    """Wait until *holds* does."""
    end = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
