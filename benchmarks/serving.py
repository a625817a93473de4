"""Compare the model server with itself, `mlflow models serve` and BentoML: the flights' model, one row per request.

Run it as `.venv/bin/python benchmarks/serving.py` with `wrk` installed (Debian: `apt-get install wrk`).
BENTOML_PYTHON names the Python of an environment with bentoml, scikit-learn, pandas and skops; without it BentoML
is left out. BENCHMARK_SECONDS (5) a measurement, BENCHMARK_ROUNDS (2) of all of them: the table has the medians.
BENCHMARK_ONLY (`Regrow|mlflow`) measures the servers whose name holds one of the parts.
"""

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from flights_model import FAST, MIRRORED, SLOW, SPLIT, prepare

HERE = Path(__file__).parent
SECONDS = float(os.environ.get("BENCHMARK_SECONDS", "5"))
ROUNDS = int(os.environ.get("BENCHMARK_ROUNDS", "2"))
CLIENTS = (1, 32, 128)
START_SECONDS = 180
IN_A_ROW = 20
Figures = dict[str, float]
Results = dict[str, dict[int, list[Figures]]]


@dataclass(frozen=True)
class Subject:
    """A server to be measured: its *command*, to which the port is added."""

    name: str
    command: tuple[str, ...]
    bodies: str = "mlflow.jsonl"
    workers: int = 1


def subjects(folder: Path) -> list[Subject]:
    """List what is compared."""
    python, mlflow = sys.executable, str(Path(sys.executable).with_name("mlflow"))
    regrow = (python, "-m", "regrow.serving", "--model")
    unlogged = (python, str(HERE / "unlogged_service.py"), "--model", FAST, "--port")
    serve = (mlflow, "models", "serve", "-m", f"models:/{FAST}/1", "--env-manager", "local", "-w")
    found = [
        Subject("bare FastAPI", (python, str(HERE / "bare_service.py"))),
        Subject("Regrow", (*regrow, FAST, "--port")),
        Subject("mlflow models serve", (*serve, "1", "-p")),
        Subject("Regrow, not logging", unlogged),
        Subject("Regrow, half to a challenger", (*regrow, SPLIT, "--port")),
        Subject("Regrow, half and mirrored", (*regrow, MIRRORED, "--port")),
        Subject("Regrow, pipeline only", (*regrow, SLOW, "--port")),
        Subject("Regrow, 2 workers", (*regrow, FAST, "--workers", "2", "--port")),
        Subject("mlflow models serve, 2 workers", (*serve, "2", "-p")),
    ]
    if python := os.environ.get("BENTOML_PYTHON"):
        bento = (python, "-m", "bentoml", "serve", f"{HERE / 'bento_service.py'}:Flights", "--port")
        found += [
            Subject("BentoML", bento, "bento.jsonl"),
            Subject("BentoML, 2 workers", bento, "bento.jsonl", 2),
        ]
    else:
        print("BentoML is left out: BENTOML_PYTHON names no Python that has it", flush=True)
    only = os.environ.get("BENCHMARK_ONLY", "").split("|")
    return [subject for subject in found if any(part in subject.name for part in only)]


@contextmanager
def served(subject: Subject, folder: Path, uri: str) -> Iterator[tuple[str, psutil.Process]]:
    """Start *subject* and give address and process once it answers; stop it and all its processes at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": uri,
        "REGROW_HOME": str(folder / "state"),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "BENCHMARK_MODEL": str(folder / "model.skops"),
        "BENCHMARK_WORKERS": str(subject.workers),
    }
    url = f"http://127.0.0.1:{port}/invocations"
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*subject.command, str(port)], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait(process, url, (folder / subject.bodies).read_bytes().splitlines()[0], folder / "server.log")
            yield url, psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait(process: subprocess.Popen[bytes], url: str, body: bytes, log: Path) -> None:
    """Ask until *process* answers *body* at *url*, each time on a new connection, so that every worker is ready."""
    inarow, end = 0, time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            headers = {"content-type": "application/json"}
            httpx.post(url, content=body, headers=headers, timeout=30).raise_for_status()
            inarow += 1
        except httpx.HTTPError:
            inarow = 0
            time.sleep(0.3)
        if inarow == IN_A_ROW:
            return
    raise SystemExit(f"{url} does not answer: {log.read_text()[-2000:]}")


def cpu_seconds(process: psutil.Process) -> float:
    """Return the processor time that *process* and its children have taken."""
    times = [found.cpu_times() for found in (process, *process.children(recursive=True))]
    return sum(spent.user + spent.system for spent in times)


def measure(url: str, process: psutil.Process, bodies: Path, clients: int, seconds: float) -> Figures:
    """Let wrk ask *url* from *clients* connections without pause.

    Gives requests per second, milliseconds, and the *process*'s microseconds of processor time a request, which
    say most where other work shares the machine.
    """
    before = cpu_seconds(process)
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:.0f}s", "--timeout", "30s"]
    asked = subprocess.run(
        [*command, "-s", str(HERE / "ask.lua"), url],
        env={**os.environ, "BENCHMARK_BODIES": str(bodies)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(asked.stdout.strip().splitlines()[-1])
    if found["failed"]:
        raise SystemExit(f"{url}: {found['failed']} of {found['requests']} requests failed")
    cpu = (cpu_seconds(process) - before) / found["requests"] * 1e6
    return {"rps": found["requests"] / found["seconds"], "p50": found["p50"], "p99": found["p99"], "cpu": cpu}


def compare(folder: Path) -> Results:
    """Measure every subject in every round, so that what else the machine does falls on all of them."""
    uri = prepare(folder)
    results: Results = defaultdict(lambda: defaultdict(list))
    for _ in range(ROUNDS):
        for subject in subjects(folder):
            with served(subject, folder, uri) as (url, process):
                measure(url, process, folder / subject.bodies, 8, 2)
                for clients in CLIENTS:
                    found = measure(url, process, folder / subject.bodies, clients, SECONDS)
                    results[subject.name][clients].append(found)
            print(subject.name, {k: v[-1] for k, v in results[subject.name].items()}, flush=True)
    return results


def print_table(results: Results) -> None:
    """Print the medians over the rounds, and each subject's requests per second as a share of Regrow's."""
    print("| server | clients | requests/s | p50 ms | p99 ms | CPU µs a request | requests/s to Regrow's |")
    print("|---|---|---|---|---|---|---|")
    for name, by_clients in results.items():
        for clients, rounds in by_clients.items():
            middle = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
            own = results.get("Regrow", {}).get(clients)
            share = f"{middle['rps'] / statistics.median(r['rps'] for r in own):.2f}" if own else ""
            cells = f"{middle['rps']:.0f} | {middle['p50']:.2f} | {middle['p99']:.2f} | {middle['cpu']:.0f}"
            print(f"| {name} | {clients} | {cells} | {share} |")


def main() -> None:
    """Measure and print a table."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; on Debian: apt-get install wrk")
    folder = Path(tempfile.mkdtemp(prefix="regrow-benchmark-"))
    try:
        print_table(compare(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
