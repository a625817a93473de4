"""How long a model keeps what it leaves behind."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from regrow.project import Retention


def test_what_decided_something_is_kept_longest() -> None:
    """Without a word in the file a run stays for a quarter, and an alarm for two years."""
    rules = Retention()
    assert rules.reports < rules.runs < rules.verdicts == timedelta(days=730)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ('{"runs": "9d", "verdicts": "8d"}', "verdicts is shorter than runs"),
        ('{"runs": "1h"}', "shorter than a day"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(given: str, told: str) -> None:
    """The message names the key and the reason."""
    with pytest.raises(ValidationError, match=told):
        Retention.model_validate_json(given)
