"""Measure what `REGROW_JOURNAL_SYNC=group` costs: the time of an append to the journal, with and without the disk.

Run it as `.venv/bin/python benchmarks/journal.py [FOLDER]`; FOLDER (default: the system's own for temporary files) must
lie on the disk that is meant. BENCHMARK_SECONDS (3) a measurement, BENCHMARK_ROUNDS (3) of both, in turns.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from regrow.serving.log.journal import Journal

SECONDS = float(os.environ.get("BENCHMARK_SECONDS", "3"))
ROUNDS = int(os.environ.get("BENCHMARK_ROUNDS", "3"))
WRITERS = (1, 8, 32)
COLUMNS = {f"x{number}": "double" for number in range(20)}
LINE = b'{"prediction_id":"%s","features":[%s]}' % (b"0" * 32, b",".join([b"0.123456"] * 20))
ROTATE_SECONDS = 1.0
"""As often as the server's flush closes a segment."""


def measure(folder: Path, writers: int, *, synced: bool) -> list[float]:
    """Return the milliseconds of each append that *writers* threads make without pause, each of one row."""
    journal, times, stop = Journal(folder, synced=synced), list[float](), threading.Event()

    def write() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            journal.append(COLUMNS, [LINE])
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(0.001)  # A request has more to do than its append.

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(ROTATE_SECONDS)
        journal.rotate()
    stop.set()
    for thread in threads:
        thread.join()
    journal.release()
    return times


def main() -> None:
    """Measure both settings in turns and print a table of the medians over the rounds."""
    print("| writers | setting | appends/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
    for writers in WRITERS:
        found: dict[str, list[tuple[float, float, float]]] = {"off": [], "group": []}
        for _ in range(ROUNDS):
            for setting, rounds in found.items():
                with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as folder:
                    times = measure(Path(folder), writers, synced=setting == "group")
                cuts = statistics.quantiles(times, n=100)
                rounds.append((len(times) / SECONDS, cuts[49], cuts[98]))
        for setting, rounds in found.items():
            rate, middle, high = (statistics.median(each) for each in zip(*rounds, strict=True))
            print(f"| {writers} | {setting} | {rate:.0f} | {middle:.3f} | {high:.2f} |", flush=True)


if __name__ == "__main__":
    main()
