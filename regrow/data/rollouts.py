"""The evidence of a rollout: what champion and challenger answered while it went on."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from regrow.data.predictions import CHALLENGER, CHAMPION, SERVED, SHADOW, complete, scan_predictions
from regrow.data.rows import among

EVIDENCE = (
    "prediction_id", "entity_id", "row_key", "request_id", "event_time", "served_at", "version", "role", "stage",
    "fallback", "seconds", "shadow_of", "prediction", "held_back",
)  # fmt: skip
PAIRED = ["prediction_id", "entity_id", "request_id", "event_time", "served_at", "stage"]


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
    """Pair what champion and challenger predicted of the same row of *rows*, whichever of them the client got.

    The columns are the answer's `PAIRED`, and the predictions `champion` and `challenger`; a version that failed on
    the row has None there. A shadow whose answer is not among *rows* makes no pair.
    """
    answers, shadows = rows[rows["role"] != SHADOW], rows[rows["role"] == SHADOW]
    places = pd.Index(answers["prediction_id"]).get_indexer(pd.Index(shadows["shadow_of"]))
    answered = answers.iloc[places[places >= 0]].reset_index(drop=True)
    shadow = shadows["prediction"][places >= 0].reset_index(drop=True)
    by_champion = answered["role"] == CHAMPION
    both = answered[PAIRED].assign(
        **{
            CHAMPION: answered["prediction"].where(by_champion, shadow),
            CHALLENGER: shadow.where(by_champion, answered["prediction"]),
        }
    )
    fallen = answers[answers["fallback"].notna() & ~among(answers["prediction_id"], both["prediction_id"])]
    missed = fallen[PAIRED].assign(**{CHAMPION: fallen["prediction"], CHALLENGER: None})
    return pd.concat([both, missed], ignore_index=True) if len(missed) else both
