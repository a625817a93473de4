"""Compare the reading of a window of ten days of a hundred with the bare library: Parquet, CSV, SQL (SQLite).

Usage: python benchmarks/reading.py [rows …]     (default: 1000000 5000000; 10 of 20 columns are wanted)
"""

import os
import sqlite3
import sys
import tempfile
from pathlib import Path

from table import draw, run, write_parquet, write_project

COLUMNS = ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "c0", "c1"]
START, END = "2024-03-01", "2024-03-11"
HEAD = """
import os, sys, time
from datetime import UTC, datetime
folder, columns = sys.argv[1], sys.argv[2].split(",")
start, end = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC)
"""
BEGIN = "started, worked = time.perf_counter(), sum(os.times()[:4])\n"
DONE = """
assert rows == len(frame), (rows, len(frame))
print(time.perf_counter() - started, sum(os.times()[:4]) - worked)
"""
REGROW = f"""{HEAD}
from pathlib import Path
from regrow.data.sources import read_source
from regrow.project import load_project
project = load_project(Path(folder, "table.yaml"))
{BEGIN}frame = read_source(project, start, end, columns=columns)
rows = int(sys.argv[3])
{DONE}"""
BARE = {
    "parquet": f"""{HEAD}
import pyarrow.parquet as pq
{BEGIN}within = [("at", ">=", start), ("at", "<", end)]
frame = pq.read_table(f"{{folder}}/rows.parquet", columns=["id", "at", *columns], filters=within).to_pandas()
rows = int(sys.argv[3])
{DONE}""",
    "csv": f"""{HEAD}
import pandas as pd
{BEGIN}frame = pd.read_csv(f"{{folder}}/rows.csv", usecols=["id", "at", *columns], parse_dates=["at"])
frame["at"] = frame["at"].dt.tz_localize("UTC")
frame = frame[(frame["at"] >= start) & (frame["at"] < end)]
rows = int(sys.argv[3])
{DONE}""",
    "sql": f"""{HEAD}
import sqlite3
import pandas as pd
connection = sqlite3.connect(f"{{folder}}/rows.db")
{BEGIN}query = "SELECT id, at, {", ".join(COLUMNS)} FROM rows WHERE at >= ? AND at < ?"
frame = pd.read_sql(query, connection, params=("{START}", "{END}"), parse_dates=["at"])
rows = int(sys.argv[3])
{DONE}""",  # noqa: S608 (columns of our own)
}
SOURCES = {
    "parquet": {"kind": "parquet", "path": "rows.parquet"},
    "csv": {"kind": "csv", "path": "rows.csv"},
    "sql": {
        "kind": "sql",
        "url_env": "ROWS_URL",
        "query": "SELECT * FROM rows WHERE at >= :start AND at < :end",
    },
}


def write(folder: Path, rows: int) -> int:
    """Write *rows* rows in each format; return how many are of the window."""
    write_parquet(folder / "rows.parquet", rows)
    within = 0
    with sqlite3.connect(folder / "rows.db") as database:
        for number, table in enumerate(draw(rows)):
            frame = table.to_pandas()
            frame["at"] = frame["at"].dt.strftime("%Y-%m-%d %H:%M:%S.%f")
            within += int(((frame["at"] >= START) & (frame["at"] < END)).sum())
            frame.to_csv(folder / "rows.csv", mode="a", header=number == 0, index=False)
            frame.to_sql("rows", database, if_exists="append", index=False)
        database.execute("CREATE INDEX by_time ON rows (at)")
    return within


def measure(folder: Path, rows: int) -> None:
    """Print what a window of *rows* rows costs in each format, against the bare library."""
    within = write(folder, rows)
    os.environ["ROWS_URL"] = f"sqlite:///{folder / 'rows.db'}"
    print(f"{rows:,} rows, {within:,} of the window", flush=True)
    for kind, source in SOURCES.items():
        write_project(folder, source)
        words = (str(folder), ",".join(COLUMNS), str(within))
        bare, ours = run(BARE[kind], *words), run(REGROW, *words)
        for title, cost in (("bare", bare), ("Regrow", ours)):
            print(
                f"  {kind:<8} {title:<8} {cost.seconds:7.2f} s {cost.cpu:7.2f} s CPU {cost.peak:6.2f} GB",
                flush=True,
            )
        ratios = ours.seconds / bare.seconds, ours.cpu / bare.cpu, ours.peak / bare.peak
        print(
            "  {:<8} {:.2f} times its time, {:.2f} its CPU, {:.2f} its memory".format(kind, *ratios),
            flush=True,
        )


def main(sizes: list[int]) -> None:
    """Measure at each size."""
    for rows in sizes:
        with tempfile.TemporaryDirectory(prefix="regrow-benchmark-") as folder:
            measure(Path(folder), rows)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1_000_000, 5_000_000])
