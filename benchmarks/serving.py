"""Compare the model server with `mlflow models serve` and with predict_proba in process, one row per request.

Run it as `.venv/bin/python benchmarks/serving.py`; everything is on this machine, for seconds a measurement.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import Model, infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from regrow.models import TRUSTED_TYPES, load_model
from regrow.results import ModelFacts
from regrow.snapshots import Snapshot

SECONDS = float(os.environ.get("BENCHMARK_SECONDS", "6"))
ROW = {"carrier": "AA", "distance": 900.0, "hour": 17.0}
BODY = json.dumps({"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())]}}).encode()


def register(folder: Path) -> str:
    """Register a gradient boosting model and give the store's URI."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "carrier": draw.choice(["AA", "UA", "DL"], 5000),
            "distance": draw.normal(1000, 300, 5000),
            "hour": draw.integers(0, 24, 5000).astype(float),
        }
    )
    target = ((frame["hour"] > 12) ^ (draw.random(5000) < 0.2)).astype(int)
    encode = ColumnTransformer(
        [("carrier", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["carrier"])],
        remainder="passthrough",
    )
    pipeline = make_pipeline(encode, HistGradientBoostingClassifier(random_state=0)).fit(frame, target)
    snapshot = Snapshot(uri="file:///gone.parquet", digest="0" * 64, rows=0, columns={})
    facts = ModelFacts(
        project="bench",
        kind="binary",
        classes=(0, 1),
        id=None,
        timestamp=None,
        training=snapshot,
        holdout=snapshot,
    )
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("bench", artifact_location=(folder / "artifacts").as_uri())
    run = client.create_run(experiment)
    info = Model.log(
        artifact_path=None,
        name="model",
        flavor=mlflow.sklearn,
        run_id=run.info.run_id,
        sk_model=pipeline,
        serialization_format="skops",
        skops_trusted_types=sorted(TRUSTED_TYPES),
        signature=infer_signature(frame, pipeline.predict_proba(frame)),
        pyfunc_predict_fn="predict_proba",
        pip_requirements=["scikit-learn"],
        metadata={"regrow": facts.model_dump(mode="json")},
    )
    client.create_registered_model("bench")
    client.create_model_version("bench", f"models:/{info.model_id}", run.info.run_id)
    client.set_registered_model_alias("bench", "champion", "1")
    return uri


def measure(ask: Callable[[], None], clients: int) -> dict[str, float]:
    """Let *clients* threads call *ask* without pause; give calls per second and milliseconds."""
    times: list[float] = []
    end = time.perf_counter() + SECONDS

    def work() -> None:
        while (start := time.perf_counter()) < end:
            ask()
            times.append(time.perf_counter() - start)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    quantiles = statistics.quantiles(times, n=100)
    return {"rps": len(times) / SECONDS, "p50": quantiles[49] * 1000, "p99": quantiles[98] * 1000}


def asker(url: str) -> Callable[[], None]:
    """Make a call of the server at *url*, each thread on a connection of its own."""
    local = threading.local()

    def ask() -> None:
        if not hasattr(local, "client"):
            local.client = httpx.Client(timeout=60, headers={"content-type": "application/json"})
        local.client.post(url, content=BODY).raise_for_status()

    return ask


def served(command: list[str], port: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start *command* and wait until it answers on *port*."""
    process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    ask = asker(f"http://127.0.0.1:{port}/invocations")
    for _ in range(600):
        try:
            ask()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return process
    process.kill()
    raise SystemExit(f"{command[0]} does not answer")


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def compare(folder: Path) -> dict[str, dict[int, dict[str, float]]]:
    """Measure the three at 1 and 32 clients."""
    uri = register(folder)
    model, frame = load_model("models:/bench/1"), pd.DataFrame([ROW])
    results = {"in process": {1: measure(lambda: model.predict(frame) is None, 1)}}
    environment = {"MLFLOW_TRACKING_URI": uri, "REGROW_HOME": str(folder / "state"), "OMP_NUM_THREADS": "1"}
    scripts = Path(sys.executable).parent
    environment["PATH"] = f"{scripts}:{os.environ['PATH']}"
    commands = {
        "regrow": [sys.executable, "-m", "regrow.serving", "--model", "bench", "--port"],
        "mlflow": [
            str(scripts / "mlflow"),
            "models",
            "serve",
            "-m",
            "models:/bench/1",
            "--env-manager",
            "local",
            "-p",
        ],
    }
    for name, command in commands.items():
        port = free_port()
        process = served([*command, str(port)], port, environment)
        ask = asker(f"http://127.0.0.1:{port}/invocations")
        try:
            results[name] = {clients: measure(ask, clients) for clients in (1, 32)}
        finally:
            process.terminate()
            process.wait(60)
        print(name, results[name], flush=True)
    return results


def main() -> None:
    """Measure and print a table."""
    folder = Path(tempfile.mkdtemp(prefix="regrow-benchmark-"))
    try:
        results = compare(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("| server | clients | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
    for name, by_clients in results.items():
        for clients, found in by_clients.items():
            print(f"| {name} | {clients} | {found['rps']:.0f} | {found['p50']:.1f} | {found['p99']:.1f} |")
    for clients in (1, 32):
        ours, theirs = results["regrow"][clients], results["mlflow"][clients]
        ratio = ours["rps"] / theirs["rps"]
        slower = ours["p99"] / theirs["p99"]
        print(f"{clients} clients: {ratio:.1f} x the requests per second, {slower:.2f} x the p99 of MLflow")


if __name__ == "__main__":
    main()
