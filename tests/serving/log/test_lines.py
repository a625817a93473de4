"""Lines of the journal: what each says, and the table that they become."""

import uuid
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.data.predictions import CHALLENGER, CHAMPION, SHADOW
from regrow.models.contract import Rows
from regrow.serving.log.lines import (
    LETTERS,
    NOT_FINITE,
    TIMEOUT,
    Attribution,
    answered_lines,
    logged_table,
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


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


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


def test_lines_become_the_table_of_the_log():
    """What lines leave out is null, or the champion's; without a moment of its own a row has that of its serving."""
    answered = answered_lines(["p"], rows(17), [0.5], Attribution(3, CHAMPION), 0.1)
    shadow = shadow_lines(["p"], rows(17), [None], Attribution(4, SHADOW, "v4-a", 1, TIMEOUT), 0.1)
    table = logged_table("demo", {"hour": "long"}, [orjson.loads(each) for each in (*answered, *shadow)])
    one, two = table.to_pylist()
    assert (one["role"], one["rollout"], one["fallback"], one["shadow_of"]) == (CHAMPION, None, None, None)
    assert (one["model"], one["features"], one["prediction"]) == ("demo", {"hour": 17.0}, [0.5])
    assert one["event_time"] == one["served_at"]
    assert (two["role"], two["rollout"], two["stage"], two["fallback"]) == (SHADOW, "v4-a", 1, TIMEOUT)
    assert (two["shadow_of"], two["features"], two["prediction"]) == ("p", None, None)


def test_lines_of_an_earlier_regrow_say_the_same():
    """The letters that 0.1 wrote are read under the names of today."""
    today = orjson.loads(answered_lines(["p"], rows(1.0), [0.5], ROLLING, 0.1)[0])
    then = {letter: today[name] for letter, name in LETTERS.items() if name in today}
    columns = {"hour": "double"}
    assert logged_table("demo", columns, [then]) == logged_table("demo", columns, [today])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab"), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(JSON, min_size=1))
def test_a_column_without_a_type_takes_any_value(values):
    """A signature may leave a column open: whatever a client sends there is logged as text, and holds up no flush."""
    lines = map(
        orjson.loads, answered_lines(["p"] * len(values), rows(*values), [0.5] * len(values), ROLLING, 0)
    )
    logged = logged_table("demo", {"hour": "any"}, list(lines)).column("features").to_pylist()
    assert [row["hour"] is None for row in logged] == [value is None for value in values]


@pytest.mark.parametrize(
    ("kind", "value", "logged"),
    [
        ("long", 17, 17.0),
        ("double", 0.5, 0.5),
        ("boolean", True, True),
        ("string", "AA", "AA"),
        ("any", [1], "[1]"),
    ],
)
def test_each_type_has_its_form_in_the_log(kind, value, logged):
    """Numbers are doubles, true and false stay, text stays, and what is nested is text; a null is a null."""
    lines = map(orjson.loads, answered_lines(["p", "q"], rows(value, None), [0.5, 0.5], ROLLING, 0))
    found = logged_table("demo", {"hour": kind}, list(lines)).column("features").to_pylist()
    assert found == [{"hour": logged}, {"hour": None}]


def test_rows_of_one_request_name_it():
    """Answers and shadows of one request name it in their lines and in the table; a row that came alone does not."""
    several, shadow = replace(ROLLING, request="p0"), Attribution(3, SHADOW, "v4-a", 1, request="p0")
    lines = answered_lines(["p0", "p1"], rows(1, 2), [0.5, 0.6], several, 0.1)
    lines += shadow_lines(["p0", "p1"], rows(1, 2), [0.5, 0.6], shadow, 0.1)
    lines += answered_lines(["p2"], rows(3), [0.7], ROLLING, 0.1)
    table = logged_table("demo", {"hour": "double"}, [orjson.loads(line) for line in lines])
    assert table.column("request_id").to_pylist() == ["p0"] * 4 + [None]
    assert "request_id" not in orjson.loads(lines[-1])


def test_a_row_that_has_an_id_beside_its_entity_is_logged_with_it():
    """The id stands in the line and in the table as the row's key; without one the line has no word of it."""
    named = replace(rows(1, 2), keys=["k1", None])
    lines = answered_lines(["p0", "p1"], named, [0.5, 0.6], ROLLING, 0.1)
    lines += shadow_lines(["p0", "p1"], named, [0.5, 0.6], ROLLING, 0.1)
    lines += answered_lines(["p2"], rows(3), [0.7], ROLLING, 0.1)
    table = logged_table("demo", {"hour": "double"}, [orjson.loads(line) for line in lines])
    assert table.column("row_key").to_pylist() == ["k1", None, "k1", None, None]
    assert "row_key" not in orjson.loads(lines[-1])
