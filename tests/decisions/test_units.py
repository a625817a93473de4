"""What is one observation: a row, an entity, a request, an hour, a day or a week."""

import numpy as np
import pandas as pd
import pytest

from regrow.decisions.units import Units, name_units, request_codes, single_rows, units_of, units_of_logged
from regrow.project import Data

TIMES = pd.to_datetime(
    ["2024-01-07T23:59:59Z", "2024-01-08T00:00:00Z", "2024-01-08T23:00:00Z", "2024-01-14T12:00:00Z"]
)
"""A Sunday, the Monday after it twice, and the Sunday of that week."""


def data(**changes: object) -> Data:
    return Data.model_validate({"source": {"kind": "csv", "path": "x.csv"}, "target": "y"} | changes)


@pytest.mark.parametrize(
    ("unit", "codes"),
    [("hour", [0, 1, 2, 3]), ("day", [0, 1, 1, 2]), ("week", [0, 1, 1, 1]), ("row", [0, 1, 2, 3])],
)
def test_rows_of_one_period_are_one_unit(unit: str, codes: list[int]) -> None:
    """Days begin at midnight UTC, weeks on Monday; in a table and in the log alike."""
    asked = data(timestamp="at", unit=unit)
    assert units_of(pd.DataFrame({"at": TIMES}), asked).codes.tolist() == codes
    logged = pd.DataFrame({"event_time": TIMES.as_unit("us")})
    assert units_of_logged(logged, asked.sampling_unit).codes.tolist() == codes


def test_without_a_word_a_dated_row_is_part_of_its_day() -> None:
    """The default: the day if there is a timestamp, else the entity, else the row."""
    assert [data(timestamp="at").sampling_unit, data(entity="who").sampling_unit, data().sampling_unit] == [
        "day",
        "entity",
        "row",
    ]


def test_an_entity_is_one_unit_and_a_row_without_one_stands_alone() -> None:
    """Rows of one entity count once, however its name is stored; nobody's rows are not one entity's."""
    frame = pd.DataFrame({"who": [7.0, 8.0, 7.0, None, None]})
    units = units_of(frame, data(entity="who"))
    assert units.codes[0] == units.codes[2]
    assert units.count == 4
    logged = pd.DataFrame({"entity_id": ["7", "8", "7", None, None]})
    assert units_of_logged(logged, "entity").codes.tolist() == units.codes.tolist()


def test_a_request_is_known_in_the_log_alone() -> None:
    """Rows that were answered at one moment are one request; of a table's rows each stands alone."""
    moments = pd.to_datetime(["2024-01-01T00:00:00.000001Z"] * 2 + ["2024-01-01T00:00:00.000002Z"])
    logged = pd.DataFrame({"served_at": moments.as_unit("us"), "request_id": None})
    assert units_of_logged(logged, "request").codes.tolist() == [0, 0, 1]
    assert units_of(pd.DataFrame({"y": [1, 2, 3]}), data(unit="request")).count == 3


def test_a_request_keeps_its_name_whenever_its_rows_were_answered() -> None:
    """Rows of one request that two versions answered, one later, are one; a row that came alone is another."""
    moments = pd.to_datetime([1, 2, 2, 3], unit="us", utc=True)
    logged = pd.DataFrame({"served_at": moments, "request_id": ["a", "a", None, "b"]})
    assert request_codes(logged).tolist() == [0, 0, 1, 2]


def test_no_rows_are_no_units() -> None:
    """An empty frame of the log has units of any kind, none of them."""
    empty = pd.DataFrame({"event_time": TIMES[:0], "served_at": TIMES[:0], "entity_id": [], "request_id": []})
    assert [units_of_logged(empty, unit).count for unit in ("row", "entity", "request", "day")] == [0] * 4


def test_blocks_join_neighbouring_days_and_no_entities() -> None:
    """Blocks are of the cube root of the days' number, in their order, each about as long; entities stay single."""
    blocks = Units(np.arange(27), "day").blocks()
    assert blocks.codes.tolist() == np.repeat(np.arange(9), 3).tolist()
    uneven = Units(np.arange(10), "day").blocks()
    assert np.bincount(uneven.codes).tolist() == [2, 2, 2, 2, 2]
    assert Units(np.arange(27), "entity").blocks().count == 27


def test_a_part_of_the_rows_has_the_units_that_are_left() -> None:
    """Units without a row are no units any more; numbers stay in order."""
    units = Units(np.array([0, 1, 1, 4]), "day").take(np.array([False, True, True, True]))
    assert (units.codes.tolist(), units.count, units.sizes.tolist()) == ([0, 0, 1], 2, [2, 1])
    assert (units.named, single_rows(1).named, Units(np.array([0, 1]), "entity").named) == (
        "2 days",
        "1 row",
        "2 entities",
    )


def test_a_unit_has_one_name_in_every_part_of_the_log() -> None:
    """A day is named alike beside other days, and so is a request; an entity and a row name themselves."""
    logged = pd.DataFrame(
        {"event_time": TIMES.as_unit("us"), "served_at": TIMES, "request_id": ["a", "b", "b", None]}
    )
    for unit, shared in (("day", [1, 2]), ("request", [1, 2])):
        whole, late = (name_units(part, unit) for part in (logged, logged.iloc[2:]))
        assert whole is not None
        assert late is not None
        assert whole[2:].tolist() == late.tolist()
        assert whole[shared[0]] == whole[shared[1]] != whole[0]
        assert len(set(whole)) == 3
    assert name_units(logged, "row") is None
    assert name_units(logged, "entity") is None
