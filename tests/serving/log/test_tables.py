"""Which table a journal belongs to, what its lines become there, and which rows that table has a shape for."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.data.predictions import CHALLENGER, CHAMPION, SHADOW
from regrow.models.contract import Rows
from regrow.serving.log.lines import TIMEOUT, Attribution, answered_lines, shadow_lines
from regrow.serving.log.tables import (
    LETTERS,
    TO_LABELS,
    TO_PREDICTIONS,
    UNFIT,
    destination_of,
    logged_table,
)

LABEL = {
    "entity_id": "7",
    "label": True,
    "labelled_at": 1_764_000_000_000_000,
    "received_at": 1_764_000_000_000_000,
}
ROLLING = Attribution(4, CHALLENGER, "v4-a", 1)


def rows(*hours: Any):
    return Rows({"hour": list(hours)}, len(hours), ["e"] * len(hours), [None] * len(hours))


def test_a_writer_is_known_by_its_name():
    """The journal of labels begins with their prefix; every other one is of predictions."""
    assert destination_of("labels-0123") is TO_LABELS
    assert destination_of("0123") is TO_PREDICTIONS


@pytest.mark.parametrize(
    "change", [{"label": None}, {"entity_id": None}, {"labelled_at": "today"}, {"received_at": {}}]
)
def test_a_label_that_is_none_is_unfit(change: Any):
    """A label without its truth, its time or its row raises; a whole one does not."""
    TO_LABELS.check("demo", {}, [LABEL])
    with pytest.raises(UNFIT):
        TO_LABELS.check("demo", {}, [LABEL | change])


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
def test_a_column_without_a_type_takes_any_value(values: Any):
    """A signature may leave a column open: whatever a client sends there is logged as text, and holds up no flush."""
    lines = map(
        orjson.loads,
        answered_lines(["p"] * len(values), rows(*values), [0.5] * len(values), ROLLING, 0),
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
def test_each_type_has_its_form_in_the_log(kind: Any, value: Any, logged: Any):
    """Numbers are doubles, true and false stay, text stays, and what is nested is text; a null is a null."""
    lines = map(
        orjson.loads,
        answered_lines(["p", "q"], rows(value, None), [0.5, 0.5], ROLLING, 0),
    )
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


def test_what_is_held_back_is_logged_so():
    """Line and table say of each row whether it is held back; while no share is the line has no word of it."""
    columns = {"hour": "double"}
    lines = answered_lines(["p0", "p1"], rows(1, 2), [0.5, 0.6], ROLLING, 0.1, [True, False])
    lines += answered_lines(["p2"], rows(3), [0.7], ROLLING, 0.1)
    table = logged_table("demo", columns, [orjson.loads(line) for line in lines])
    assert table.column("held_back").to_pylist() == [True, False, None]
    assert "held_back" not in orjson.loads(lines[-1])
    assert (
        orjson.loads(
            answered_lines(["p0"], replace(rows(1), keys=["k"]), [0.5], ROLLING, 0.1, [True])[0]
        ).items()
        >= {"row_key": "k", "held_back": True}.items()
    )
