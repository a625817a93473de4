"""What was found, for people."""

import numpy as np
import pandas as pd
from loans import loans

from regrow.inspection.report import report_lines
from regrow.inspection.suggestions import suggest
from regrow.inspection.table import inspect_table


def told(frame: pd.DataFrame, target: str) -> list[tuple[str, str]]:
    facts = inspect_table(frame, target, "t")
    return list(report_lines(frame, facts, suggest(frame, facts)))


def test_the_report_is_short_and_ends_with_what_is_unsure() -> None:
    """A line for each thing that was found, then what a person should look at."""
    lines = told(loans(), "repaid")
    assert len(lines) < 16
    words = [word for word, _ in lines]
    assert words[:6] == ["table", "target", "time", "row", "entity", "features"]
    assert words[-1] == "unsure"
    assert (
        dict(lines)["target"] == "`repaid`, 2 classes: yes 74.9%, no 25.1%; 60 rows lack it and are set aside"
    )


def test_a_sample_is_said() -> None:
    """Of a large table it says by how many rows it judges."""
    frame = pd.DataFrame({"y": [0, 1] * 60_000, "x": np.random.default_rng(0).normal(size=120_000)})
    assert "types and values by 100,000 of 120,000 rows" in dict(told(frame, "y"))["table"]
