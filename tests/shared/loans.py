"""A table as a stranger brings it: customers that recur, late labels, a leak, and columns of no use."""

import numpy as np
import pandas as pd


def loans(rows: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """Draw *rows* loans of recurring customers over two years; the newest lack the target `repaid`."""
    draw = np.random.default_rng(seed)
    income = draw.lognormal(7, 0.5, rows).round(2)
    purpose = draw.choice(["car", "house", "holiday"], rows)
    risk = 1.5 * (purpose == "holiday") - income / 1000 + draw.normal(0, 0.7, rows)
    repaid = np.where(risk < np.quantile(risk, 0.75), "yes", "no").astype(object)
    day = pd.date_range("2023-01-01", periods=rows, freq="8h", tz="UTC")
    frame = pd.DataFrame(
        {
            "loan_id": np.arange(rows) + 10_000,
            "customer": draw.integers(0, rows // 4, rows),
            "issued_at": day.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "income": income,
            "purpose": purpose,
            "guarantor": draw.random(rows) < 0.3,
            "children": np.where(draw.random(rows) < 0.1, np.nan, draw.integers(0, 4, rows)),
            "currency": "EUR",
            "fax": np.nan,
            "reason": [f"I would like to borrow money for the {p} number {n}" for n, p in enumerate(purpose)],
            "written_off_at": np.where(
                repaid == "no", (day + pd.Timedelta("200D")).strftime("%Y-%m-%d"), None
            ),
            "price": [f"${value:,.2f}" for value in income],
            "repaid": repaid,
        }
    )
    frame.loc[rows - 60 :, "repaid"] = None
    return frame
