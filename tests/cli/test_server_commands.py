"""What `regrow up` says of the project files that it finds."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from regrow.base.settings import Settings
from regrow.cli.server_commands import _StopSignal
from regrow.project import Project
from regrow.services.commands import ready_file

Up = Callable[[Path], str]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Put back the handlers of the signals that a command takes over; Ctrl-C counts, also if the tests ignore it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def up(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Up:
    """Run `regrow up` on a folder of project files, with servers that are started only in name; then Ctrl-C."""
    (tmp_path / "home").mkdir()

    class Servers:
        def addresses(self) -> dict[str, str]:
            return {"runner": "http://127.0.0.1/deployments"}

    @contextmanager
    def running(settings: Settings, wanted: set[str], report: object) -> Iterator[Servers]:
        registered = [path.stem for path in settings.configs.glob("test-*.yaml")]
        ready_file(settings).write_text("\n".join(registered))
        yield Servers()

    def interrupt(_services: object, _report: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("regrow.services.running", running)
    monkeypatch.setattr("regrow.services.supervise", interrupt)

    def invoke(configs: Path) -> str:
        result = run("up", REGROW_CONFIGS=str(configs), REGROW_HOME=str(tmp_path / "home"), COLUMNS="200")
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


def test_a_start_without_project_files_says_where_it_looked(up: Up, tmp_path: Path) -> None:
    """Nothing to deploy is said at the end of the start, with the folder in full and what to do."""
    told = up(tmp_path / "empty")
    assert f"no model is deployed: {tmp_path / 'empty'} holds no project file" in told
    assert "REGROW_CONFIGS" in told


def test_a_server_that_is_not_used_is_named(up: Up, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable that names a server elsewhere has no effect on `regrow up`, which says so."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.org")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    told = up(tmp_path)
    assert "MLFLOW_TRACKING_URI names another server: `regrow up` starts its own at http://127.0.0.1:" in told
    assert "PREFECT_API_URL" not in told


def test_a_broken_project_file_is_named_on_the_terminal(up: Up, project: Callable[..., Project]) -> None:
    """What is left out is named with its file and key; so is one that only the runner refuses, with its log."""
    made = project()
    folder = made.path.parent
    (folder / "broken.yaml").write_text("name: broken")
    (folder / "refused.yaml").write_text(made.path.read_text().replace(made.name, "refused"))
    told = up(folder)
    assert f"left out: {folder / 'broken.yaml'}: data: is missing" in told
    assert "left out: refused: see " in told and "runner.log" in told
    assert f"deployed from {folder}: {made.name}\n" in told


def test_a_second_interrupt_leaves_no_part_running(
    up: Up, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-C twice, or a supervisor that signals process and group: the parts are stopped all the same."""
    stopped: list[str] = []

    @contextmanager
    def running(settings: Settings, wanted: set[str], report: object) -> Iterator[Any]:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
            yield None
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            stopped.append("parts")

    monkeypatch.setattr("regrow.services.running", running)
    assert "stopped" in up(tmp_path)
    assert stopped == ["parts"]


def test_a_stop_that_does_not_end_can_be_asked_for_again() -> None:
    """An interrupt that was lost on its way, or a stop beyond all patience, leaves no command that hears nothing."""
    patient, impatient = _StopSignal(60), _StopSignal(0)
    for signals, raised in ((patient, [True, False]), (impatient, [True, True])):
        found = []
        for _ in range(2):
            try:
                signals(signal.SIGINT, None)
            except KeyboardInterrupt:
                found.append(True)
            else:
                found.append(False)
            time.sleep(0.001)
        assert found == raised


def test_parts_alone_tell_nothing_of_models_and_unknown_ones_are_refused(
    run: Callable[..., Any], up: Up, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`regrow up mlflow` is not told of project files, uses a Prefect elsewhere, and a wrong name is an error."""
    up(tmp_path)  # with servers that are started only in name
    environment = {"REGROW_CONFIGS": str(tmp_path), "REGROW_HOME": str(tmp_path / "home")}
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example.org/api")
    alone = run("up", "mlflow", **environment)
    assert alone.exit_code == 0, alone.output
    assert "deployed" not in alone.output and "PREFECT_API_URL" not in alone.output
    wrong = run("up", "mlflow", "tracker", **environment)
    assert wrong.exit_code == 1
    assert "tracker: no such part; there are postgres, prefect, mlflow, server, runner" in wrong.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_demonstration_that_is_told_to_end_stops_its_servers(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """SIGTERM ends the demonstration as Ctrl-C does: it stops its servers, undisturbed by a second, and can go on."""
    stopped: list[str] = []

    def replay() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), number)
            stopped.append("servers")

    monkeypatch.setattr("regrow.demo.main", replay)
    result = run("demo")
    assert (result.exit_code, stopped) == (130, ["servers"])
    assert "`regrow demo` goes on from here" in result.output
