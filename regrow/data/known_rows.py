"""Which rows are known already, in few bytes each: 16 for one that was scored before, 8 for one of this run."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

RUNS = 8
"""Sorted runs that are searched one by one before they are merged."""
_NIBBLES = np.zeros(256, dtype=np.uint8)
_NIBBLES[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)


def pack(ids: pa.Array | pa.ChunkedArray) -> NDArray[np.bytes_]:
    """Return the ids of batch predictions, 32 hexadecimal digits each, in 16 bytes each; any other id is left out."""
    whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    of_32 = pc.equal(pc.binary_length(whole), 32)  # pyright: ignore[reportAttributeAccessIssue]
    kept = whole.filter(of_32).cast(pa.binary(32))
    if not len(kept):
        return np.zeros(0, dtype="S16")
    digits = np.frombuffer(kept.buffers()[1], dtype=np.uint8)[kept.offset * 32 :][: len(kept) * 32]
    nibbles = _NIBBLES[digits]
    return (nibbles[0::2] << 4 | nibbles[1::2]).view("S16")


class KnownIds:
    """A set of ids of batch predictions, and which of them have come up again."""

    def __init__(self, pieces: Iterable[NDArray[np.bytes_]] = ()) -> None:
        found = [piece for piece in pieces if len(piece)]
        self._ids = np.unique(np.concatenate(found)) if found else np.zeros(0, dtype="S16")
        self._met = np.zeros(len(self._ids), dtype=bool)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def unmet(self) -> int:
        """How many of the ids have not come up in `has`."""
        return int((~self._met).sum())

    def has(self, ids: pa.Array) -> NDArray[np.bool_]:
        """Return which of *ids*, made of 32 hexadecimal digits each, are in the set."""
        if not len(self._ids):
            return np.zeros(len(ids), dtype=bool)
        wanted = pack(ids)
        places = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        found = self._ids[places] == wanted
        self._met[places[found]] = True
        return found


class Recurrence:
    """Counts how often a key has come in the chunks before."""

    def __init__(self) -> None:
        self._runs: list[NDArray[np.uint64]] = []
        self._again: dict[int, int] = {}

    def count(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return for each of *keys* how often it came in earlier calls, and remember it for later ones."""
        seen = np.zeros(len(keys), dtype=bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, keys), len(run) - 1)
            seen |= run[places] == keys
        before = seen.astype(np.int64)
        for place in np.flatnonzero(seen):
            before[place] += self._again.get(int(keys[place]), 0)
        self._remember(keys, seen)
        return before

    def _remember(self, keys: NDArray[np.uint64], seen: NDArray[np.bool_]) -> None:
        """Remember *keys*, of which those that were *seen* are known already."""
        names, counts = np.unique(keys, return_counts=True)
        old = np.isin(names, keys[seen])
        more = counts - ~old  # The first time of a key stands in the runs.
        for place in np.flatnonzero(more):
            name = int(names[place])
            self._again[name] = self._again.get(name, 0) + int(more[place])
        if (new := names[~old]).size:
            self._runs.append(new)
        if len(self._runs) > RUNS:
            self._runs = [np.sort(np.concatenate(self._runs))]
