"""Free text as numbers."""

import numpy as np
import pandas as pd
import pytest

from regrow.models.words import Words

ROWS = pd.DataFrame(
    {"note": ["late payment again", "Payment in time", None, "late"], "tag": ["red", "blue", "red", "red"]}
)


def test_the_most_frequent_words_have_weights() -> None:
    """Each text has the weights of its own words, whatever their case; a missing or unknown text has none."""
    words = Words({"note": 2, "tag": 5}).fit(ROWS)
    assert list(words.get_feature_names_out()) == ["note: late", "note: payment", "tag: blue", "tag: red"]
    assert words.widths == [2, 2]
    weights = words.transform(ROWS)
    assert weights.shape == (4, 4)
    assert (weights[:, :2] > 0).tolist() == [[True, True], [False, True], [False, False], [True, False]]
    assert np.linalg.norm(weights[0, :2]) == pytest.approx(1)
    unseen = words.transform(pd.DataFrame({"note": ["nothing known"], "tag": [None]}))
    assert not unseen.any()


def test_a_column_without_words_is_named() -> None:
    """Numbers of one digit and gaps hold no word, and the error says in which column."""
    with pytest.raises(ValueError, match="column `note` has no word"):
        Words({"note": 3}).fit(pd.DataFrame({"note": ["1", None, "a"]}))
