"""The flights with the labels of others."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from regrow.demo import shuffled_labels

APRIL, MAY = datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 5, 1, tzinfo=UTC)


def test_shuffled_labels_are_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows and the share of late flights stay; which of them were late does not, the same way each time."""
    frame = pd.DataFrame({"flight_id": range(1000), "late": [True] * 200 + [False] * 800})
    monkeypatch.setattr(shuffled_labels, "import_hook", lambda _path, _name: lambda _start, _end: frame)
    shuffled = shuffled_labels.load(APRIL, MAY)
    assert list(shuffled["flight_id"]) == list(frame["flight_id"])
    assert shuffled["late"].sum() == 200
    assert shuffled["late"][:200].mean() < 0.4
    pd.testing.assert_frame_equal(shuffled, shuffled_labels.load(APRIL, MAY))


def test_it_changes_when_the_flights_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fingerprint is made of the flights' own, and is not the same."""
    monkeypatch.setattr(shuffled_labels, "import_hook", lambda _path, name: lambda: name)
    assert shuffled_labels.fingerprint() == "shuffled flights:fingerprint"
