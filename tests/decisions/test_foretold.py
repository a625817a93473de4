"""Whether what was expected of windows was worth reading."""

from datetime import UTC, datetime, timedelta

import pytest

from regrow.decisions.before_labels import Expected
from regrow.decisions.foretold import MOST_WINDOWS, Forecasts, Foretold, known, tell_expected, weigh
from regrow.decisions.units import single_rows

START = datetime(2024, 1, 1, tzinfo=UTC)
FOUND = Expected(0.7, 0.01, 20.0, 5000, single_rows(5000))


def window(
    number: float, figure: float = 0.7, realised: float | None = None, carried: float = 0.7
) -> Foretold:
    """Return what was foretold of the week *number*."""
    start = START + timedelta(days=7 * number)
    return Foretold(
        champion=1, metric="roc_auc", start=start, end=start + timedelta(days=7), figure=figure, low=figure - 0.01,
        high=figure + 0.01, carried=carried, realised=realised,
    )  # fmt: skip


def test_estimates_that_beat_the_holdouts_figure_are_informative() -> None:
    """If windows were foretold nearer than by carrying the holdout's figure forward, it says so with both errors."""
    came = [0.6, 0.65, 0.62, 0.64]
    past = [window(n, figure=value + 0.01, realised=value) for n, value in enumerate(came)]
    assert weigh(past).informative is True
    finding = tell_expected("roc_auc", FOUND, 0.7, past)
    assert "informative for this model: it erred by 0.010 in 4 windows" in finding.detail
    assert "the holdout's figure by 0.07" in finding.detail
    assert "of 2024-01-22 to 2024-01-29 0.650 (0.640 to 0.660) was expected, 0.640 came" in finding.detail


def test_estimates_that_do_not_are_called_uninformative() -> None:
    """Being as near as the holdout's figure is not enough, nor is a gain that chance explains."""
    level = [window(n, figure=0.6, realised=0.65) for n in range(5)]
    assert weigh(level).informative is False
    assert "uninformative for this model" in tell_expected("roc_auc", FOUND, 0.7, level).detail
    chance = [window(n, figure=0.65 + 0.06 * (n % 2), realised=0.65, carried=0.69) for n in range(4)]
    worth = weigh(chance)
    assert worth.error < worth.carried
    assert worth.informative is False


def test_few_windows_tell_nothing() -> None:
    """Before four windows have their labels nobody knows, and the finding says how many there are."""
    past = [window(n, realised=0.7) for n in range(3)]
    assert weigh(past).informative is None
    assert "shows after 4 windows with labels, 3 so far" in tell_expected("roc_auc", FOUND, 0.7, past).detail
    assert weigh([]).windows == 0


def test_the_remark_decides_nothing() -> None:
    """Whatever is expected, the finding is noted alone; a metric that cannot be expected says why."""
    low = tell_expected("roc_auc", Expected(0.4, 0.001, 20.0, 5000, single_rows(5000)), 0.9, [])
    silent = tell_expected("r2", "r2 is none of those", 0.9, [])
    assert all(each.noted and each.passed for each in (low, silent))
    assert silent.detail == "r2 cannot be expected before labels: r2 is none of those"
    assert low.interval == pytest.approx((0.398, 0.402), abs=0.001)


def test_windows_that_overlap_count_once() -> None:
    """A daily look at two weeks keeps one of fourteen windows; old ones are left out, a repeated run adds none."""
    kept = Forecasts()
    for number in range(60):
        kept = kept.with_window(window(number / 2)).with_window(window(number / 2))
    assert len(kept.windows) == MOST_WINDOWS
    assert all(one.end <= other.start for one, other in zip(kept.windows, kept.windows[1:], strict=False))
    assert kept.windows[-1].end == START + timedelta(days=7 * 30)
    assert Forecasts.read(kept.model_dump_json()) == kept


def test_months_that_share_a_day_are_evidence_each() -> None:
    """A window of 31 days, looked at each month, shares a day or more with the one before it, and both are kept."""
    kept = Forecasts()
    for month in range(1, 7):
        end = datetime(2024, month + 1, 1, tzinfo=UTC)
        each = window(0).model_copy(update={"start": end - timedelta(days=31), "end": end})
        kept = kept.with_window(each)
    assert len(kept.windows) == 6
    last = kept.windows[-1]
    assert kept.before(last.start, last.end) == kept.windows[:-1]


def test_a_run_sees_the_windows_before_it_alone() -> None:
    """A run as of an earlier moment, or a repeated one, sees neither its own window nor a later one."""
    past = Forecasts(windows=(window(0, realised=0.6), window(1, realised=0.7), window(2)))
    assert past.before(past.windows[1].start, past.windows[1].end) == past.windows[:1]
    assert known(past.windows, "roc_auc") == past.windows[:2]
    assert known(past.windows, "brier") == ()
