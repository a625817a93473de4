from datetime import UTC, datetime

from tasks.raise_alarm import alarm_id

AS_OF = datetime(2024, 1, 1, tzinfo=UTC)


def test_one_alarm_for_a_model_and_a_moment():
    """The same model and moment give the same event; another of either gives another."""
    assert alarm_id("a", AS_OF) == alarm_id("a", AS_OF)
    assert len({alarm_id("a", AS_OF), alarm_id("b", AS_OF), alarm_id("a", AS_OF.replace(day=2))}) == 3
