"""The flights, each with the label of another: what a model learns from them is worth nothing.

The demonstration copies this file and the flights' own loader beside a project file of its own.
"""

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from regrow.project.imports import import_hook

HERE = Path(__file__)


def load(start: datetime, end: datetime) -> pd.DataFrame:
    """Return the flights from *start* to *end* with their labels shuffled, the same way each time."""
    frame = import_hook(HERE, "flights:load")(start, end)
    return frame.assign(late=np.random.default_rng(0).permutation(frame["late"].to_numpy()))


def fingerprint() -> str:
    """Return a text that changes when the flights do."""
    return f"shuffled {import_hook(HERE, 'flights:fingerprint')()}"
