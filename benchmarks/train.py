"""Time the whole train flow on the year's flights against a bare script that loads, fits and scores the same rows.

Usage: python benchmarks/train.py [rows]     (servers of its own on free ports)

With a number of *rows* it does the same with a Parquet file of so many rows of 20 columns, and tells the memory too.
"""

import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from table import Cost, run, write_parquet, write_project

from regrow.base.settings import Settings
from regrow.services import running

CONFIGS = Path(__file__).parents[1] / "configs"
AS_OF = "2014-01-01T00:00:00+00:00"
BARE = """
import time
started = time.perf_counter()
import sys
from datetime import UTC, datetime
sys.path.insert(0, sys.argv[1])
import flights
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
rows = flights.load(datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 12, 31, tzinfo=UTC))
rows = rows[rows["late"].notna() & ~(rows["wind_speed"] > 100) & ~(rows["temp"] < -20)]
rows["late"] = rows["late"].astype(bool)
cut = int(len(rows) * 0.8)
features = rows.drop(columns=["late", "flight_id", "scheduled_departure"])
text = [name for name in features if features[name].dtype.kind not in "fi"]
encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"))
columns = ColumnTransformer([("text", encoder, text)], remainder="passthrough")
estimator = HistGradientBoostingClassifier(
    max_iter=100, learning_rate=0.1, min_samples_leaf=50, random_state=2013
)
model = make_pipeline(columns, estimator).fit(features[:cut], rows["late"][:cut])
auc = roc_auc_score(rows["late"][cut:], model.predict_proba(features[cut:])[:, 1])
print(f"{time.perf_counter() - started:.2f} {len(rows)} rows, AUC {auc:.4f}")
"""
FLOW = """
import time
started = time.perf_counter()
import sys
from datetime import datetime
from pathlib import Path
folder, as_of, preloaded = sys.argv[1:]
import skops.io  # First, as `regrow train` does.
if preloaded == "yes":
    from importlib import import_module
    from deployments.preloaded import MODULES
    for name in MODULES:
        import_module(name)
from flows.train import train
imported = time.perf_counter()
verdict = train(Path(folder, "flights.yaml"), datetime.fromisoformat(as_of))
ended = time.perf_counter()
print(f"{ended - (imported if preloaded == 'yes' else started):.2f} imports {imported - started:.1f} s, "
      f"flow {ended - imported:.1f} s; {verdict.reason[:80]}")
"""
"""Imports count for a process of its own; a flow run of the runner is forked from one that has made them."""
BARE_LARGE = """
import os, sys, time
started = time.perf_counter()
import pyarrow.parquet as pq
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
rows = pq.read_table(f"{sys.argv[1]}/rows.parquet").to_pandas()
cut = int(len(rows) * 0.8)
features = rows.drop(columns=["late", "id", "at"])
text = [name for name in features if features[name].dtype.kind not in "fi"]
encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"))
columns = ColumnTransformer([("text", encoder, text)], remainder="passthrough")
model = make_pipeline(columns, HistGradientBoostingClassifier(random_state=0)).fit(features[:cut], rows["late"][:cut])
auc = roc_auc_score(rows["late"][cut:], model.predict_proba(features[cut:])[:, 1])
print(time.perf_counter() - started, sum(os.times()[:4]))
"""
FLOW_LARGE = """
import os, sys, time
started = time.perf_counter()
from datetime import UTC, datetime
from pathlib import Path
import skops.io  # First, as `regrow train` does.
from flows.train import train
verdict = train(Path(sys.argv[1], "table.yaml"), datetime(2026, 1, 1, tzinfo=UTC))
assert verdict.findings, verdict.reason
print(time.perf_counter() - started, sum(os.times()[:4]))
"""


def free_ports(count: int) -> list[int]:
    """Find *count* ports that nothing listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return found


def year(folder: Path, seed: int = 2013, once: bool = False) -> Path:
    """Copy the flights' project, of all the year, with *seed* into *folder*; it is fitted *once*, or twice."""
    text, found = (CONFIGS / "flights.yaml").read_text(encoding="utf-8"), "seed: 2013"
    if found not in text:
        raise SystemExit(f"configs/flights.yaml: no `{found}` to replace")
    text = text.replace(found, f"seed: {seed}\n  refit: {str(not once).lower()}")
    (folder / "flights.yaml").write_text(text, encoding="utf-8")
    shutil.copy(CONFIGS / "flights.py", folder)
    return folder


def clock(title: str, script: str, *words: str) -> float:
    """Run *script* in a process of its own; print and give the seconds that it says it took, and its CPU time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False, env=os.environ
    )
    if done.returncode:
        raise SystemExit(f"{title} failed:\n{done.stderr[-4000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds, _, said = done.stdout.strip().splitlines()[-1].partition(" ")
    print(f"{title:<46} {float(seconds):6.1f} s   process {cpu:5.1f} s CPU   {said}", flush=True)
    return float(seconds)


def measure(folder: Path) -> None:
    """Print what a first training, a retraining that has a champion to beat, and unchanged runs cost."""
    bare = clock("bare script", BARE, str(year(folder)))
    aim = 1.25 * bare + 10
    for title, preloaded, seed, once in (
        ("new process", "no", 2013, False),
        ("imports made before", "yes", 2014, False),
        ("imports made before, fitted once", "yes", 2015, True),
    ):
        words = (str(year(folder, seed, once)), AS_OF, preloaded)
        flow = clock(f"train, {title}", FLOW, *words)
        print(f"  {flow / bare:.2f} times the bare script; the aim of 1.25 times + 10 s is {aim:.1f} s")
        again = clock(f"train, unchanged, {title}", FLOW, *words)
        print(f"  {again:.1f} s; the aim is 3 s")


def measure_large(folder: Path, rows: int) -> None:
    """Print what a training on *rows* rows costs: fitted once, as the script does, and twice, as by default."""
    write_parquet(folder / "rows.parquet", rows)
    bare = run(BARE_LARGE, str(folder))
    show("bare script", bare, bare)
    for title, refit in (("train, not fitted again", False), ("train, as by default", True)):
        training = {
            "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
            "seed": int(refit),
            "refit": refit,
        }
        write_project(
            folder,
            {"kind": "parquet", "path": "rows.parquet"},
            training=training,
            deployment={"server": False},
        )
        show(title, run(FLOW_LARGE, str(folder)), bare)


def show(title: str, cost: Cost, bare: Cost) -> None:
    """Print a line of *cost*, beside that of the *bare* script."""
    print(
        f"{title:<26} {cost.seconds:7.1f} s ({cost.seconds / bare.seconds:.2f}) {cost.cpu:7.1f} s CPU "
        f"({cost.cpu / bare.cpu:.2f}) {cost.peak:6.2f} GB ({cost.peak / bare.peak:.2f})",
        flush=True,
    )


def main(rows: int | None) -> None:
    """Measure on a fresh state folder: the flights, or so many *rows*."""
    prefect, mlflow, server = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="regrow-benchmark-", ignore_cleanup_errors=True) as home:
        settings = Settings(
            home=Path(home, "home"), prefect_port=prefect, mlflow_port=mlflow, server_port=server
        )
        with running(settings, {"postgres", "prefect"}):
            import mlflow as store

            store.MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).search_experiments(max_results=1)
            if rows is None:
                measure(year(Path(home)))
            else:
                measure_large(Path(home), rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
