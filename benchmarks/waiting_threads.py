"""How the threads of a fit should wait for one another: the seconds of a fit, alone and beside busy processes.

Usage: python benchmarks/waiting_threads.py [rows]
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

WAYS = {
    "spin on (libgomp's own choice)": {},
    "sleep at once": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spin 1,000 times, then sleep": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"},
    "spin 100,000 times, then sleep": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "100000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
FIT = """
import sys, time
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
random = np.random.default_rng(0)
features = random.normal(size=(int(sys.argv[1]), 20))
target = features[:, 0] * features[:, 1] + features[:, 2] + random.normal(size=len(features)) > 0
for _ in range(2):
    began = time.perf_counter()
    HistGradientBoostingClassifier(min_samples_leaf=50).fit(features, target)
print(time.perf_counter() - began)
"""


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep *count* processes busy meanwhile."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def fit(rows: int, variables: dict[str, str]) -> float:
    """Return the seconds of a second fit on *rows* rows in a process with *variables*."""
    ours = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"}
    environment = {name: value for name, value in os.environ.items() if name not in ours} | variables
    done = subprocess.run(
        [sys.executable, "-c", FIT, str(rows)], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


def main(rows: int) -> None:
    """Print a table: a line for each way, with its seconds alone, beside one busy process, and beside two."""
    print(f"{rows:,} rows, {os.cpu_count()} cores; seconds alone, beside one busy process, beside two")
    for name, variables in WAYS.items():
        seconds: list[float] = []
        for count in range(3):
            with busy(count):
                seconds.append(fit(rows, variables))
        print(f"{name:32}", *(f"{each:6.1f}" for each in seconds))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 255_000)
