"""Reasons beside predictions, for requests that ask for them: few rows, in a thread of their own, bounded in time."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from regrow.base.errors import InvalidRequest, NotExplained, Overloaded
from regrow.models.contract import Contract, Rows
from regrow.serving.predict.versions import ServedVersion

LOG = logging.getLogger("regrow.serving")
MOST_ROWS = 10
"""Rows of a request that asks for reasons."""
MOST_WAITING = 4
"""Requests whose rows are explained, or wait for it; one more is refused."""
SECONDS = 20.0
"""How long reasons may take; the prediction is answered without them then. The first ones import `shap`."""


class Explanations:
    """The thread that explains what versions have answered, one request after the other."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(1, "explainer")
        self._waiting = 0

    def admit(self, rows: int) -> None:
        """Refuse a request before it is predicted: `InvalidRequest` for too many *rows*, `Overloaded` if many wait."""
        if rows > MOST_ROWS:
            message = f"{rows} rows; with explain=true at most {MOST_ROWS} are answered in one request"
            raise InvalidRequest("too_many_rows", message)
        if self._waiting >= MOST_WAITING:
            raise Overloaded(
                f"{self._waiting} requests wait for their reasons; ask later, or without explain=true"
            )

    async def tell(self, work: Callable[[], list[dict[str, Any]]]) -> dict[str, Any]:
        """Return what *work*, done in the thread, explains; or why there is nothing, for the prediction stands."""
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._done)
        try:
            return {"explanations": await asyncio.wait_for(asyncio.shield(future), self._seconds)}
        except NotExplained as error:
            problem = str(error)
        except TimeoutError:
            problem = (
                f"no reasons within {self._seconds:g} s; the first ones of a version take longest, ask again"
            )
        except Exception as error:
            # A stored model and `shap` may raise anything; the client has its prediction.
            LOG.exception("a prediction could not be explained")
            problem = f"the reasons failed: {type(error).__name__}: {str(error)[:300]}"
        return {"explanation_problem": problem}

    def stop(self) -> None:
        """Explain nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, future: "asyncio.Future[Any]") -> None:
        """Count one request less, also one whose client no longer waits."""
        self._waiting -= 1
        if not future.cancelled():
            future.exception()


def explain_rows(
    rows: Rows, source: Contract, answered_by: list[int], served: Mapping[int, ServedVersion]
) -> list[dict[str, Any]]:
    """Return the reasons of each of *rows*, which *source* has read, by the version that it was *answered_by*.

    Raises `NotExplained` if one of them has none.
    """
    told: list[dict[str, Any]] = [{}] * rows.count
    for number in sorted(set(answered_by)):
        version = served[number]
        places = [place for place, each in enumerate(answered_by) if each == number]
        fitted = version.contract.refit(rows.take(places), source)
        found = version.explainer.explain(version.contract.frame([fitted]))
        if len(found.values) < len(places):
            raise NotExplained(
                f"of this model {len(found.values)} rows are explained in one request; it has many columns"
            )
        for row, place in enumerate(places):
            told[place] = asdict(found.reasons(row))
    return told
