"""Read all that Prefect has, a page at a time: it gives no more at once, and six deployments of each model are many."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

PAGE = 200
"""The most objects that Prefect gives at once."""
T = TypeVar("T")


def every(read: Callable[..., list[T]], **question: Any) -> Iterator[T]:
    """Yield all that *read*, a method of Prefect's client, finds for *question*."""
    found, seen = read(limit=PAGE, **question), 0
    while found:
        yield from found
        seen += len(found)
        found = read(limit=PAGE, offset=seen, **question) if len(found) == PAGE else []
