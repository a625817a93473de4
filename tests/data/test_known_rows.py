"""Sets of ids in few bytes, and how often a key has come."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from regrow.data.known_rows import KnownIds, Recurrence, pack

IDS = st.lists(st.text("0123456789abcdef", min_size=32, max_size=32))


@given(IDS, IDS)
def test_a_set_of_ids_knows_its_own(ids: list[str], others: list[str]) -> None:
    """An id is in the set if it was put in, whatever its digits, and what did not come up is counted."""
    known = KnownIds([pack(pa.array(ids, pa.string()))])
    assert known.has(pa.array(others, pa.string())).tolist() == [other in set(ids) for other in others]
    assert known.unmet == len(set(ids) - set(others))


def test_an_id_of_another_kind_is_left_out() -> None:
    """Ids that are no 32 digits are those of the server: no batch prediction has one."""
    assert len(KnownIds([pack(pa.array(["x", None, "0" * 31, "f" * 32], pa.string()).slice(1))])) == 1


@given(st.lists(st.lists(st.integers(0, 5)), max_size=20))
def test_keys_are_counted_over_chunks(chunks: list[list[int]]) -> None:
    """Each key has been seen as often as it came in the chunks before its own."""
    recurrence, before = Recurrence(), Counter()
    for chunk in chunks:
        assert recurrence.count(np.array(chunk, dtype=np.uint64)).tolist() == [before[key] for key in chunk]
        before.update(chunk)
