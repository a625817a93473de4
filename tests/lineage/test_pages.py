"""Reading more than one answer of Prefect holds."""

import pytest

from regrow.lineage.pages import PAGE, every


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
def test_all_are_read_once(count: int) -> None:
    """However many there are, each comes once and in order, and the question is asked of each page."""

    def read(*, limit: int, kind: str, offset: int = 0) -> list[int]:
        assert kind == "runs"
        return list(range(count))[offset : offset + limit]

    assert list(every(read, kind="runs")) == list(range(count))
