"""The evidence of a rollout: what champion and challenger answered while it went on."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from regrow.tables.predictions import CHALLENGER, CHAMPION, SERVED, SHADOW, complete, scan_predictions

EVIDENCE = (
    "prediction_id", "entity_id", "event_time", "served_at", "version", "role", "stage", "fallback", "seconds",
    "shadow_of", "prediction",
)  # fmt: skip


def read_rollout(model: str, rollout: str) -> pd.DataFrame:
    """Read every row of *model*'s log that *rollout* made, shadows among them, without its features.

    The columns are those of `EVIDENCE`. Without such a row the frame is empty.
    """
    dataset = scan_predictions(model, roles=(*SERVED, SHADOW))
    if dataset is None or "rollout" not in dataset.schema.names:
        return complete(pa.table({})).select(EVIDENCE).to_pandas()
    known = [name for name in EVIDENCE if name in dataset.schema.names]
    table = dataset.to_table(known, filter=pc.field("rollout") == rollout)
    return complete(table).select(EVIDENCE).to_pandas()


def pair_predictions(rows: pd.DataFrame) -> pd.DataFrame:
    """Pair what champion and challenger said of the same row of *rows*, whichever of them the client got.

    Gives the answer's `prediction_id`, `entity_id`, `event_time`, `stage`, and the predictions `champion` and
    `challenger`. A shadow that failed makes no pair, nor does one whose answer is not among *rows*.
    """
    usable = rows[rows["prediction"].notna()]
    answers, shadows = usable[usable["role"] != SHADOW], usable[usable["role"] == SHADOW]
    places = pd.Index(answers["prediction_id"]).get_indexer(pd.Index(shadows["shadow_of"]))
    answered = answers.iloc[places[places >= 0]].reset_index(drop=True)
    shadow = shadows["prediction"][places >= 0].reset_index(drop=True)
    pairs = answered[["prediction_id", "entity_id", "event_time", "stage"]]
    by_champion = answered["role"] == CHAMPION
    return pairs.assign(
        **{
            CHAMPION: answered["prediction"].where(by_champion, shadow),
            CHALLENGER: shadow.where(by_champion, answered["prediction"]),
        }
    )
