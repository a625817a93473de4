"""The wheel in an environment of its own, used from a folder that holds nothing of the repository."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from prefect_http import signed_in

from regrow.base.settings import Settings
from regrow.project import Project

ROOT = Path(__file__).parents[1]
SOURCES = ("regrow", "flows", "tasks", "deployments", "configs", "README.md", "pyproject.toml")


class Installed:
    """A fresh environment that holds the wheel and, of everything else, what the tests' own environment holds."""

    def __init__(self, folder: Path) -> None:
        """Build the wheel from a clean copy and install it."""
        source = folder / "source"
        source.mkdir()
        for name in SOURCES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(ROOT / name, source / name)
        check([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], source)
        (self.wheel,) = folder.glob("*.whl")
        venv.create(folder / "venv", with_pip=False)
        self.python = folder / "venv" / "bin" / "python"
        library = next((folder / "venv" / "lib").glob("python*/site-packages"))
        (library / "locked.pth").write_text(sysconfig.get_path("purelib"))
        install = ["install", "--quiet", "--no-index", "--no-deps", "--ignore-installed", str(self.wheel)]
        check([sys.executable, "-m", "pip", "--python", str(self.python), *install], folder)
        shutil.rmtree(source)

    def run(self, folder: Path, *words: object, **environment: str) -> str:
        """Run `regrow` in *folder* and return what it printed."""
        return check([str(self.python.with_name("regrow")), *map(str, words)], folder, **environment)

    def evaluate(self, folder: Path, code: str) -> str:
        """Run Python *code* in *folder* and return what it printed."""
        return check([str(self.python), "-c", code], folder).strip()


def check(command: list[str], folder: Path, **environment: str) -> str:
    """Run *command* in *folder*, away from the repository, and return what it printed; fail if it does."""
    done = subprocess.run(
        command, cwd=folder, env=clean() | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clean() -> dict[str, str]:
    """Return the environment without what leads back to the repository or to the tests' own servers."""
    ours = ("PYTHON", "REGROW_", "PREFECT_", "MLFLOW_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Make a folder that holds nothing but a user's own module, which is called as one of ours."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "tasks.py").write_text("raise RuntimeError('a stranger')")
    return folder


def test_the_wheel_holds_what_regrow_runs(installed: Installed) -> None:
    """Flows, tasks, deployments and the example are in it; tests, benchmarks and loose folders are not."""
    names = set(ZipFile(installed.wheel).namelist())
    wanted = {"flows/train.py", "tasks/fit.py", "deployments/serve.py", "regrow/demo/page.html.j2"}
    assert (
        wanted | {f"regrow/demo/configs/{name}" for name in ("flights.yaml", "flights.py", "schema.json")}
        <= names
    )
    tops = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"regrow", "flows", "tasks", "deployments"}


@pytest.mark.long
def test_files_are_found_from_any_folder(
    installed: Installed, empty: Path, project: Callable[..., Project]
) -> None:
    """`check` and `schema` work, a model is pinned to what is installed, and all code is that of the environment."""
    assert "predicts late" in installed.run(empty, "check", project().path)
    assert installed.run(empty, "schema") == (ROOT / "configs" / "schema.json").read_text()
    pins = (
        "from regrow.base import provenance as p; print(*p.pinned_requirements('sklearn.linear_model.Ridge'))"
    )
    assert f"scikit-learn=={version('scikit-learn')}" in installed.evaluate(empty, pins).split()
    places = "import regrow, flows; print(regrow.__file__, flows.__file__)"
    assert all(
        place.startswith(str(installed.python.parents[1]))
        for place in installed.evaluate(empty, places).split()
    )


@pytest.mark.long
def test_the_example_is_written_where_it_is_deployed(installed: Installed, empty: Path) -> None:
    """The demonstration's model is written into `configs/`, and passes its check there, its loader included."""
    written = "from pathlib import Path; from regrow.demo.example import open_example as o; o(Path('configs'), print)"
    assert "configs/flights.yaml" in installed.evaluate(empty, written)
    assert installed.evaluate(empty, written) == ""
    assert "flights.yaml: ok" in installed.run(empty, "check", "configs/flights.yaml")


@pytest.fixture
def up(
    installed: Installed,
    empty: Path,
    project: Callable[..., Project],
    settings_for: Callable[[Path], Settings],
) -> Iterator[tuple[Settings, Project, dict[str, str]]]:
    """Run `regrow up` in the empty folder, with one project in its `configs/`."""
    settings, made = settings_for(empty / ".regrow"), project()
    (empty / "configs").symlink_to(made.path.parent)
    ports = {
        "REGROW_PREFECT_PORT": str(settings.prefect_port),
        "REGROW_MLFLOW_PORT": str(settings.mlflow_port),
        "REGROW_SERVER_PORT": str(settings.server_port),
    }
    log = empty / "up.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [installed.python.with_name("regrow"), "up"],
            cwd=empty,
            env=clean() | ports,
            stdout=stream,
            stderr=stream,
        )
    try:
        wait(lambda: "`regrow down`, stops them" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        assert f"deployed from {empty / 'configs'}: {made.name}" in log.read_text()
        yield settings, made, ports
        installed.run(empty, "down", **ports)
    finally:
        process.kill()
        process.wait()


def wait(until: Callable[[], object], patience: float = 180) -> None:
    """Return once *until* holds; fail after *patience* seconds."""
    deadline = time.monotonic() + patience
    while not until():
        assert time.monotonic() < deadline, f"not within {patience} s"
        time.sleep(0.2)


@pytest.mark.long
def test_a_model_is_trained_by_hand_and_by_its_deployment(
    installed: Installed, empty: Path, up: tuple[Settings, Project, dict[str, str]]
) -> None:
    """From an empty folder `up`, then `train`, then a run of its deployment: a champion, and a flow that completes."""
    settings, made, ports = up
    told = json.loads(installed.run(empty, "train", f"configs/{made.path.name}", "--json", **ports))
    assert told["state"]["champion"] == 1
    password = settings.password_file.read_text().strip()
    page = told["links"]["MLflow run"].partition("#")[0]
    assert httpx.get(page, auth=("regrow", password), timeout=20).is_success

    client = signed_in(f"{settings.local_prefect}/api", f"regrow:{password}")
    deployment = client.get(f"/deployments/name/rollout/{made.name}").json()
    started = client.post(f"/deployments/{deployment['id']}/create_flow_run", json={}).json()
    ended: list[dict] = []

    def has_ended() -> bool:
        run = client.get(f"/flow_runs/{started['id']}").json()
        ended.append(run["state"])
        return run["state"]["type"] in {"COMPLETED", "FAILED", "CRASHED"}

    wait(has_ended)
    assert ended[-1]["type"] == "COMPLETED", ended[-1]
