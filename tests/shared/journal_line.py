"""A row as the model server writes it to the journal."""

import orjson

LINE = orjson.dumps(
    {
        "prediction_id": "a",
        "entity_id": None,
        "event_time": None,
        "features": [1.0],
        "prediction": [0.5],
        "served_at": 1_764_000_000_000_000,
        "version": 3,
        "seconds": 0.001,
    }
)
"""A prediction of a model of one column."""
