"""Lines of the journal: what each says."""

import uuid

import orjson
from hypothesis import given
from hypothesis import strategies as st

from regrow.data.predictions import CHALLENGER, CHAMPION, SHADOW
from regrow.models.contract import Rows
from regrow.serving.log.lines import (
    NOT_FINITE,
    TIMEOUT,
    Attribution,
    answered_lines,
    new_identifiers,
    shadow_lines,
)

PLAIN = {
    "prediction_id",
    "entity_id",
    "event_time",
    "features",
    "prediction",
    "served_at",
    "version",
    "seconds",
}
ROLLING = Attribution(4, CHALLENGER, "v4-a", 1)


def rows(*hours):
    return Rows({"hour": list(hours)}, len(hours), ["e"] * len(hours), [None] * len(hours))


@given(st.integers(0, 300))
def test_identifiers_are_uuids_that_differ(count):
    """Each is a UUID of version 7 by the RFC, no two are the same, and later ones sort behind earlier milliseconds."""
    found = new_identifiers(count)
    assert len(set(found)) == count
    assert all(uuid.UUID(each).version == 7 and uuid.UUID(each).hex == each for each in found)
    assert all(uuid.UUID(each).variant == uuid.RFC_4122 for each in found)
    assert all(later[:12] >= each[:12] for each in found for later in new_identifiers(1))


@given(st.lists(st.none() | st.floats(0, 1)))
def test_what_is_left_to_the_champion_has_no_line(values):
    """One line for each row that the client gets a value for, under its own identifier."""
    identifiers = [f"p{index}" for index in range(len(values))]
    lines = answered_lines(identifiers, rows(*range(len(values))), values, ROLLING, 0.1)
    read = {row["prediction_id"]: (row["features"], row["prediction"]) for row in map(orjson.loads, lines)}
    assert read == {f"p{i}": ([i], [value]) for i, value in enumerate(values) if value is not None}


def test_a_line_says_only_what_there_is_to_say():
    """A row outside of a rollout carries no word of one; role, rollout, stage and fallback come with a reason."""
    plain, fallen = (
        orjson.loads(answered_lines(["p"], rows(1.0), [[0.3, 0.7]], attribution, 0.1234567)[0])
        for attribution in (Attribution(3, CHAMPION), Attribution(3, CHAMPION, "v4-a", 1, TIMEOUT))
    )
    assert set(plain) == PLAIN
    assert (plain["prediction"], plain["seconds"]) == ([0.3, 0.7], 0.123457)
    assert {key: fallen[key] for key in set(fallen) - PLAIN} == {
        "rollout": "v4-a",
        "stage": 1,
        "fallback": TIMEOUT,
    }


def test_a_shadow_names_the_row_that_it_is_of():
    """It has an identifier of its own and no features; one that failed has no prediction, and says why."""
    attribution = Attribution(4, SHADOW, "v4-a", 1)
    good, failed = map(orjson.loads, shadow_lines(["p", "q"], rows(1.0, 2.0), [0.5, None], attribution, 0.1))
    assert (good["shadow_of"], good["prediction"], good.get("fallback")) == ("p", [0.5], None)
    assert (failed["shadow_of"], failed["prediction"], failed["fallback"]) == ("q", None, NOT_FINITE)
    assert good["features"] is failed["features"] is None
    assert len({good["prediction_id"], failed["prediction_id"], "p", "q"}) == 4
