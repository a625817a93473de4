"""What a stack costs that has nothing to do but look: memory and processor time of each part.

Usage: python benchmarks/rest.py [models] [seconds]

Each model is trained once, and watched by a schedule of its own: together one run a minute. With 0 models nothing runs,
and what is measured begins once the preloaded process has ended, a quarter of an hour later.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil
import yaml

from deployments.preloaded import IDLE
from regrow.base.settings import Settings, apply_environment, load_settings
from regrow.services import running
from regrow.services.ownership import prepare_home, secret

CONFIG = Path(__file__).parents[1] / "configs" / "diabetes.yaml"
LIMIT_GB, LIMIT_CORES = 0.8, 0.1
RUNS = "preloaded process, flow runs"
PARTS = {
    "postgres": "PostgreSQL",
    "prefect_server": "Prefect",
    "mlflow_server": "MLflow",
    "regrow.serving": "model server",
    "deployments.serve": "runner",
    "deployments.preloaded": RUNS,
    "start_run": RUNS,
}


def write_projects(folder: Path, models: int) -> list[Path]:
    """Write a project file for each of *models* models, watched in a minute of its own."""
    content, files = yaml.safe_load(CONFIG.read_text()), list[Path]()
    for number in range(models):
        schedule = f"{number}-59/{max(models, 1)} * * * *"
        own = {"name": f"model-{number}", "monitoring": {"schedule": schedule, "window": "400d"}}
        files.append(folder / f"model-{number}.yaml")
        files[-1].write_text(yaml.safe_dump(content | own | {"deployment": {"timeout": "60s"}}))
    return files


def name_of(process: psutil.Process, home: str) -> str | None:
    """Name the part that *process* belongs to; None if it is of another state folder."""
    if process.pid == os.getpid():
        return "what `regrow up` is, with this benchmark"
    try:
        parent = process.parent()
        if process.name() == "postgres" and parent is not None and parent.name() == "postgres":
            process = parent  # its children write their title over their environment
        words = " ".join(process.cmdline())
        if home not in process.environ().get("REGROW_HOME", "") and home not in words:
            return None
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return None
    return next((part for word, part in PARTS.items() if word in words), "other")


def measure(home: str) -> tuple[dict[str, float], dict[int, tuple[str, float]]]:
    """Return the proportional memory of each part now, in bytes, and the processor seconds of each process so far."""
    memory, cpu = defaultdict[str, float](float), dict[int, tuple[str, float]]()
    for process in psutil.process_iter():
        if (part := name_of(process, home)) is None:
            continue
        try:
            memory[part] += process.memory_full_info().pss
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        cpu[process.pid] = part, times.user + times.system
    return dict(memory), cpu


def watch(home: str, seconds: float) -> None:
    """Print what each part has cost in *seconds*: its mean memory, and its share of a core."""
    began, samples = time.monotonic(), list[dict[str, float]]()
    _, before = measure(home)
    spent: dict[int, tuple[str, float]] = dict(before)
    while time.monotonic() < began + seconds:
        time.sleep(1)
        memory, cpu = measure(home)
        samples.append(memory)
        spent |= cpu
    length, cores = time.monotonic() - began, defaultdict[str, float](float)
    for pid, (part, total) in spent.items():
        cores[part] += (total - before.get(pid, (part, 0.0))[1]) / length
    means = {part: sum(each.get(part, 0.0) for each in samples) / len(samples) / 1e9 for part in cores}
    print(f"{'part':40} {'GB':>6} {'cores':>6}")
    for part in sorted(means, key=lambda each: -means[each]):
        print(f"{part:40} {means[part]:6.2f} {cores[part]:6.3f}")
    print(f"{'all':40} {sum(means.values()):6.2f} {sum(cores.values()):6.3f}")
    print(
        f"{'beside the limits':40} {sum(means.values()) / LIMIT_GB:5.1f}x {sum(cores.values()) / LIMIT_CORES:5.1f}x"
    )


def main(models: int, seconds: float) -> None:
    """Start a stack in a folder of its own, train the *models*, and watch it for *seconds*."""
    with tempfile.TemporaryDirectory(prefix="regrow-rest-", ignore_cleanup_errors=True) as folder:
        configs = Path(folder) / "configs"
        configs.mkdir()
        files = write_projects(configs, models)
        os.environ |= {"REGROW_HOME": f"{folder}/state", "REGROW_CONFIGS": str(configs)}
        settings: Settings = load_settings()
        prepare_home(settings.home)
        secret(settings.password_file)
        apply_environment(settings)
        with running(settings) as services:
            os.environ["REGROW_SERVER_URL"] = services.server_url
            for file in files:
                subprocess.run(
                    [sys.executable, "-c", "from regrow.cli import app; app()", "train", str(file)],
                    check=True, stdout=subprocess.DEVNULL,
                )  # fmt: skip
            time.sleep(60 if models else IDLE + 60)
            print(f"{models} models, {seconds:g} s")
            watch(str(settings.home), seconds)


if __name__ == "__main__":
    given = [float(word) for word in sys.argv[1:]]
    main(int(given[0]) if given else 6, given[1] if len(given) > 1 else 300)
