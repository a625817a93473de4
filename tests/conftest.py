"""The servers that tests share, and small projects to run on them."""

import gc
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import settings as hypothesis_settings
from stack import Stack, up

from regrow.base.settings import Settings
from regrow.project import Project, load_project
from regrow.services import Services, running

STARTS_SERVERS = {"postgres", "services", "start", "stack"}
"""The fixtures whose tests are marked `servers`."""
FILES_THAT_START_PROCESSES = {
    "test_embedded.py", "test_fan_out.py", "test_operation.py", "test_outage.py", "test_readme.py",
    "test_score_on_dask.py", "test_stack.py", "test_start_run.py", "test_wheel.py",
}  # fmt: skip
FULL_SIZE_TIMEOUT = 3600

# On a busy machine an example takes longer than hypothesis' 200 ms, and nothing is wrong.
hypothesis_settings.register_profile("short", deadline=None, max_examples=15)
hypothesis_settings.register_profile("full size", deadline=None, max_examples=200)

# What the imports make stays, and the collector would walk through it again and again.
gc.set_threshold(50_000, 20, 20)
# Without a server Prefect would start one of its own, which outlives the test and holds up the end.
os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"


def free_ports(count: int) -> list[int]:
    """Find *count* ports that nothing listens on."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    found = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return found


def fresh_settings(home: Path, **changes: object) -> Settings:
    """Make settings for a state folder of their own, on free ports."""
    prefect, mlflow, server = free_ports(3)
    return Settings(home=home, prefect_port=prefect, mlflow_port=mlflow, server_port=server).model_copy(
        update=changes
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one switch for the cases that are shrunk in `make test`."""
    parser.addoption("--full-size", action="store_true", help="run what takes `size` at full size")


def pytest_configure(config: pytest.Config) -> None:
    """Draw as many examples of a property as the size of the run asks for."""
    hypothesis_settings.load_profile("full size" if config.getoption("full_size") else "short")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what starts servers and what is shrunk, and begin with servers; at full size a test has an hour."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & STARTS_SERVERS or item.path.name in FILES_THAT_START_PROCESSES:
            item.add_marker("servers")
        if "size" in fixtures or hasattr(getattr(item, "obj", None), "hypothesis"):
            item.add_marker("shrunk")
        if config.getoption("full_size"):
            item.add_marker(pytest.mark.timeout(FULL_SIZE_TIMEOUT), append=False)
    # The longest first, so that no worker is left alone with them at the end.
    slow = {item.path for item in items if item.get_closest_marker("servers")}
    items.sort(key=lambda item: (item.path.name != "test_stack.py", item.path not in slow))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session")
def size(request: pytest.FixtureRequest) -> Callable[[float, float], Any]:
    """Choose between a short and a full size: `size(5, 300)` is 5, and 300 under `--full-size`."""
    full = bool(request.config.getoption("full_size"))
    return lambda short, long: long if full else short


@pytest.fixture(scope="session")
def settings_for() -> Callable[[Path], Settings]:
    """Make settings for a state folder, on free ports."""
    return fresh_settings


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """Run PostgreSQL, Prefect and MLflow's store for the session; the environment points at them."""
    from prefect.settings import PREFECT_API_AUTH_STRING as AUTH
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY as HEARTBEAT
    from prefect.settings import PREFECT_SERVER_ALLOW_EPHEMERAL_MODE as EPHEMERAL

    with (
        tempfile.TemporaryDirectory(prefix="regrow-", ignore_cleanup_errors=True) as folder,
        running(fresh_settings(Path(folder)), {"postgres", "prefect"}) as servers,
        temporary_settings(
            {
                PREFECT_API_URL: servers.prefect_api_url,
                AUTH: servers.environment["PREFECT_API_AUTH_STRING"],
                PREFECT_LOGGING_TO_API_ENABLED: False,
                EPHEMERAL: False,
                HEARTBEAT: None,
            }
        ),
    ):
        os.environ["GIT_PYTHON_REFRESH"] = "quiet"
        prepare_tracking_store(servers.tracking_uri)
        yield servers


@pytest.fixture(scope="session")
def object_store() -> Iterator[dict[str, str]]:
    """Run an object store for the session; the variables by which it is reached."""
    from bucket import object_store as run

    with run() as variables:
        yield variables


@pytest.fixture
def bucket(object_store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Keep the store of this process in a bucket of the test's own; its address."""
    from bucket import make_bucket

    for key, value in object_store.items():
        monkeypatch.setenv(key, value)
    store = make_bucket(object_store)
    monkeypatch.setenv("REGROW_STORE", store)
    return store


def prepare_tracking_store(uri: str) -> None:
    """Create MLflow's tables once, before several processes open the store together."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.MlflowClient().search_experiments(max_results=1)


def rows(count: int = 600, seed: int = 0) -> pd.DataFrame:
    """Draw *count* rows over 60 days: `id`, `at`, `size`, `colour`, and a `late` that depends on both."""
    random = np.random.default_rng(seed)
    size = random.normal(size=count)
    colour = random.choice(["red", "green", "blue"], size=count)
    score = 2 * size + (colour == "red") + random.normal(scale=0.5, size=count)
    at = pd.date_range("2024-01-01", "2024-02-29", periods=count, tz="UTC")
    return pd.DataFrame(
        {
            "id": [f"r{seed}-{i}" for i in range(count)],
            "at": at,
            "size": size,
            "colour": colour,
            "late": score > 0.3,
        }
    ).astype({"late": int})


def recent_rows(count: int = 600) -> pd.DataFrame:
    """Draw *count* rows whose last one is an hour old."""
    frame = rows(count)
    return frame.assign(
        at=frame["at"] + (pd.Timestamp.now("UTC") - pd.Timedelta("1h") - frame["at"].iloc[-1])
    )


@pytest.fixture
def recent() -> pd.DataFrame:
    """Return the rows of the last 60 days."""
    return recent_rows()


def write_project(folder: Path, frame: pd.DataFrame | None = None, **changes: object) -> Project:
    """Write a small binary classification with a name of its own into *folder*; *changes* replace top-level keys."""
    (rows() if frame is None else frame).to_csv(folder / "rows.csv", index=False)
    content = {
        "name": f"test-{uuid4().hex[:8]}",
        "data": {
            "source": {"kind": "csv", "path": "rows.csv"},
            "target": "late",
            "timestamp": "at",
            "id": "id",
            "unit": "row",
        },
        "training": {"estimator": "sklearn.linear_model.LogisticRegression"},
        "evaluation": {"primary": "roc_auc"},
        "deployment": {"server": False},
    } | changes
    path = folder / f"{content['name']}.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_project(path)


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Write a small binary classification with a name of its own; keywords replace top-level keys."""
    return partial(write_project, tmp_path)


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    """Write one as `project` does, for all tests of a file."""
    return partial(write_project, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def stack(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    project: Callable[..., Project],
    settings_for: Callable[[Path], Settings],
) -> Iterator[Stack]:
    """Run `regrow up`, or the parts that a test names, on a state folder of its own, with one small project."""
    made = project(retraining={"least_labels": 100}, evaluation={"primary": "roc_auc", "gates": []})
    settings = settings_for(tmp_path / "home").model_copy(update={"configs": made.path.parent})
    with up(settings, *getattr(request, "param", ())) as stack:
        yield stack
