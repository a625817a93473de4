"""Compare the reading of the labels of a window, 100,000 rows, with that of all labels of the model.

Usage: python benchmarks/labels.py [labels …]     (default: 1000000 5000000; told by prediction, over a year)
"""

import os
import sys
import tempfile

import numpy as np
import pyarrow as pa
from table import run

from regrow.data.delta import append
from regrow.data.labels import LABELS, labels_path

YEAR = 365 * 86_400_000_000
PART = 500_000
ROWS = 100_000
READ = """
import os, sys, time
import pandas as pd
from regrow.data.labels import Names, read_labels
ids = pd.Series([f"{number:032x}" for number in range(int(sys.argv[1]), int(sys.argv[2]))], dtype="str")
of = None if sys.argv[3] == "all" else Names(ids, ids.iloc[:0], ids.iloc[:0])
started, worked = time.perf_counter(), sum(os.times()[:4])
found = read_labels("m", of=of)
assert ids.isin(found["prediction_id"]).all()
print(time.perf_counter() - started, sum(os.times()[:4]) - worked)
"""


def write_labels(count: int) -> None:
    """Write *count* labels of predictions of a year, each known up to ten days later."""
    draw = np.random.default_rng(0)
    for first in range(0, count, PART):
        places = np.arange(first, min(first + PART, count))
        known = (places / count * YEAR + draw.uniform(0, YEAR / 36, len(places))).astype(np.int64)
        times = pa.array(1_735_689_600_000_000 + known, LABELS.field("labelled_at").type)
        told = {
            "prediction_id": [f"{place:032x}" for place in places],
            "label": (draw.random(len(places)) < 0.3) * 1.0,
            "labelled_at": times,
            "received_at": times,
            "origin": ["http"] * len(places),
        }
        columns = [
            pa.array(told[field.name], field.type)
            if field.name in told
            else pa.nulls(len(places), field.type)
            for field in LABELS
        ]
        append(labels_path("m"), pa.Table.from_arrays(columns, schema=LABELS), "labels", first + 1)


def main() -> None:
    """Print a line for each size."""
    print("| labels | read | clock | CPU | peak memory |")
    print("|---|---|---|---|---|")
    for count in [int(each) for each in sys.argv[1:]] or [1_000_000, 5_000_000]:
        with tempfile.TemporaryDirectory() as home:
            os.environ["REGROW_HOME"] = home
            write_labels(count)
            for what in ("all", "of a window"):
                first = count * 4 // 5
                cost = run(READ, str(first), str(first + ROWS), what)
                told = f"{cost.seconds:.1f} s | {cost.cpu:.1f} s | {cost.peak:.2f} GB"
                print(f"| {count:,} | {what} | {told} |", flush=True)


if __name__ == "__main__":
    main()
