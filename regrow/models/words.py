"""Free text as numbers, inside of the stored pipeline."""

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer


class Words(TransformerMixin, BaseEstimator):
    """Makes of each text the TF-IDF weights of its column's most frequent words; a missing text has none of them.

    *terms* says how many words of each column count at most. Words are at least two letters long, in lower case.
    """

    def __init__(self, terms: dict[str, int]) -> None:
        self.terms = terms

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Find the words of each column; raises `ValueError` naming one that holds none."""
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.vectorizers_ = [self._fit(X[name], self.terms[str(name)]) for name in X]
        return self

    def _fit(self, texts: pd.Series, terms: int) -> TfidfVectorizer:
        """Find the *terms* most frequent words of *texts*."""
        try:
            return TfidfVectorizer(max_features=terms).fit(_filled(texts))
        except ValueError as error:
            raise ValueError(f"column `{texts.name}` has no word of two letters or more") from error

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return `(rows, words)`: the weights of the first column's words, then of the second's."""
        pairs = zip(self.feature_names_in_, self.vectorizers_, strict=True)
        return np.hstack([vectorizer.transform(_filled(X[name])).toarray() for name, vectorizer in pairs])

    @property
    def widths(self) -> list[int]:
        """How many words of each column count."""
        return [len(vectorizer.vocabulary_) for vectorizer in self.vectorizers_]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Name the words, each after its column."""
        pairs = zip(self.feature_names_in_, self.vectorizers_, strict=True)
        return np.array(
            [f"{name}: {word}" for name, each in pairs for word in each.get_feature_names_out()], object
        )


def _filled(texts: pd.Series) -> list[str]:
    """Return *texts* with an empty one in place of each missing one."""
    return ["" if missing else str(text) for text, missing in zip(texts, texts.isna(), strict=True)]
