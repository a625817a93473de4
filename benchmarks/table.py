"""A table of 20 columns with an id and a time for each row, a model of it, and what work on it takes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow.sklearn
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from regrow.data.snapshots import Snapshot
from regrow.models.fitting import fit_pipeline, kind_of
from regrow.models.frames import infer_columns
from regrow.models.results import ModelFacts
from regrow.models.stored import LoadedModel, describe_stored, load_model
from regrow.project import Project, load_project

NUMBERS = [f"n{place}" for place in range(16)]
WORDS = [f"c{place}" for place in range(4)]
START = np.datetime64("2024-01-01", "us")
DAYS = 100
CHUNK = 250_000
NOWHERE = Snapshot(uri="file:///gone.parquet", digest="0" * 64, rows=0, columns={})


@dataclass(frozen=True)
class Cost:
    """What a piece of work took: what its process says of it, and the memory of the whole process."""

    seconds: float
    cpu: float
    """Processor seconds, those of child processes included: they hardly depend on what else the machine does."""
    peak: float
    """Largest memory of the process and its children together, in GB, sampled ten times a second."""


def draw(rows: int) -> Iterator[pa.Table]:
    """Draw *rows* rows, a chunk at a time, with event times that rise over a hundred days."""
    words = pa.array([f"word{place}" for place in range(12)])
    for begin in range(0, rows, CHUNK):
        random, count = np.random.default_rng(begin), min(CHUNK, rows - begin)
        columns = {name: random.normal(size=count).round(3) for name in NUMBERS}
        texts = {name: words.take(pa.array(random.integers(0, 12, count))) for name in WORDS}
        numbers = np.arange(begin, begin + count)
        at = START + (numbers * (DAYS * 86_400_000_000 // rows)).astype("timedelta64[us]")
        late = (columns["n0"] + columns["n1"] + random.normal(size=count) > 0.5).astype(np.int64)
        yield pa.table(
            {"id": numbers, "at": pa.array(at, pa.timestamp("us", tz="UTC"))}
            | columns
            | texts
            | {"late": late}
        )


def write_parquet(path: Path, rows: int) -> None:
    """Write *rows* rows to the Parquet file at *path*."""
    writer: pq.ParquetWriter | None = None
    for table in draw(rows):
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def write_project(folder: Path, source: dict[str, object], **sections: object) -> Project:
    """Write the project file of the table, which is read from *source*, into *folder*."""
    content = {
        "name": "table",
        "data": {"source": source, "target": "late", "timestamp": "at", "id": "id"},
        "training": {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier"},
        "evaluation": {"primary": "roc_auc"},
    }
    path = folder / "table.yaml"
    path.write_text(yaml.safe_dump(content | sections))
    return load_project(path)


def store_model(project: Project, folder: Path, rows: int = 100_000) -> LoadedModel:
    """Fit the project's estimator to *rows* rows, and store it in *folder* as a training does."""
    frame = pa.concat_tables(draw(rows)).to_pandas()
    features = frame[NUMBERS + WORDS]
    pipeline, _ = fit_pipeline(project.training, features, frame["late"])
    kind, classes = kind_of(pipeline)
    facts = ModelFacts(
        project=project.name,
        kind=kind,
        classes=classes,
        id="id",
        timestamp="at",
        training=NOWHERE,
        holdout=NOWHERE,
    )
    columns = infer_columns(features, untyped=False)
    mlflow.sklearn.save_model(
        path=folder, **describe_stored(project, pipeline, columns, features, facts, folder)
    )
    return load_model(str(folder))


def run(script: str, *words: str, **environment: str) -> Cost:
    """Run *script* in a process of its own; the last line that it prints is its seconds and its processor seconds."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as failed:
        child = subprocess.Popen(
            [sys.executable, "-c", script, *words], stdout=said, stderr=failed, env=os.environ | environment
        )
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, _memory(child.pid))
            time.sleep(0.1)
        said.seek(0)
        failed.seek(0)
        if child.returncode:
            raise SystemExit(f"it failed:\n{failed.read()[-4000:]}")
        seconds, cpu = said.read().strip().splitlines()[-1].split()
    return Cost(float(seconds), float(cpu), peak)


def _memory(pid: int) -> float:
    """Return the memory of the process *pid* and of its children, in GB; what they share counts once."""
    found = 0
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for process in tree:
        try:
            found += process.memory_full_info().pss if len(tree) > 1 else process.memory_info().rss
        except psutil.Error:
            continue
    return found / 1e9
