"""What each flow came to is counted, and survives what is broken."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from regrow.base.errors import StateError
from regrow.data.flow_figures import FOLDER, FlowFigures, read_figures, record_end


def test_runs_are_counted_by_outcome(tmp_path: Path) -> None:
    """Counts add up, the last end of each outcome stays, the last run's time is the newest."""
    before = time.time()
    record_end(tmp_path, "flights", "monitor", "finished", seconds=3.5, period=3600)
    record_end(tmp_path, "flights", "monitor", "finished", seconds=4.5, period=3600)
    record_end(tmp_path, "flights", "monitor", "killed")
    record_end(tmp_path, "flights", "train", "failed", seconds=1.0)
    monitor, train = read_figures(tmp_path)
    assert (monitor.model, monitor.flow, monitor.runs) == ("flights", "monitor", {"finished": 2, "killed": 1})
    assert before <= monitor.ended["finished"] <= monitor.ended["killed"] <= time.time()
    assert (monitor.seconds, train.runs, train.seconds) == (None, {"failed": 1}, 1.0)


def test_runs_that_end_together_are_all_counted(tmp_path: Path) -> None:
    """Whoever ends while another writes waits for it."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: record_end(tmp_path, "m", "score", "finished"), range(40)))
    assert read_figures(tmp_path)[0].runs == {"finished": 40}


def test_a_broken_file_is_begun_anew(tmp_path: Path) -> None:
    """What cannot be read is not shown and stops no flow; without any there is nothing."""
    assert read_figures(tmp_path) == []
    record_end(tmp_path, "m", "score", "finished")
    (tmp_path / FOLDER / "m~score.json").write_text("{")
    assert read_figures(tmp_path) == []
    record_end(tmp_path, "m", "score", "failed")
    assert [each.runs for each in read_figures(tmp_path)] == [{"failed": 1}]


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    """It names the folder."""
    (tmp_path / FOLDER).write_text("in the way")
    with pytest.raises(StateError, match=FOLDER):
        record_end(tmp_path, "m", "score", "finished")


def test_a_file_of_a_later_version_is_read() -> None:
    """Unknown fields are left out."""
    assert FlowFigures.model_validate({"model": "m", "flow": "score", "new": 1}).model == "m"
