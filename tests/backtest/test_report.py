"""The page, the table and the JSON."""

import json
from datetime import UTC
from pathlib import Path

from small_past import END, MONTH, START, history_of, live, past_rows, project_of

from regrow.backtest.advice import recommend
from regrow.backtest.figures import Scale, classes_of, measure_all
from regrow.backtest.report import Backtest, cells, render, to_json


def test_all_of_it_stands_on_the_page_and_in_the_json(tmp_path: Path) -> None:
    """Each policy with its figures; the JSON is plain, the page holds its picture and escapes its values."""
    project = project_of(tmp_path)
    history = history_of(project, past_rows(200))
    stories, kept = live(history, tmp_path / "kept", ("never",))
    scale = Scale(history, "roc_auc", MONTH / 6, classes_of(stories, kept.read))
    reached = measure_all(stories, kept.read, scale)
    advice = recommend(project, reached, scale)
    told = Backtest(project, START, END, 1, 1, 0.5, 2400, 1, scale, reached, advice)
    page = render(told)
    assert "never, gates none" in page
    assert "not distinguishable" in page
    assert "data:image/png;base64," in page
    assert "a sample of 50%" in page
    plain = json.loads(json.dumps(to_json(told)))
    assert [each["policy"] for each in plain["policies"]] == ["file", "never, gates none", "oracle"]
    assert not plain["differences"][0]["distinguishable"]
    assert plain["policies"][1]["regret"] == 0
    assert cells(told, told.file)[2] == ""
    assert START.tzinfo is UTC
