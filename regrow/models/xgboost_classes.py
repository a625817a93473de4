"""XGBoost's classifiers for classes of any type: by themselves they take only whole numbers from 0."""

from typing import Any

import numpy as np
import xgboost
from numpy.typing import ArrayLike, NDArray


class _AnyClasses:
    """Trains XGBoost on the places of the classes, and answers by their names."""

    labels_: NDArray[Any] | None = None

    def fit(self, X: Any, y: ArrayLike, **others: Any) -> Any:
        """Fit to the place of each label of *y* among its classes, in order."""
        labels, codes = np.unique(np.asarray(y), return_inverse=True)
        self.labels_ = None
        super().fit(X, codes, **others)  # pyright: ignore[reportAttributeAccessIssue]
        self.labels_ = labels
        return self

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes in order; while XGBoost fits, the places that it knows them by."""
        return super().classes_ if self.labels_ is None else self.labels_  # pyright: ignore[reportAttributeAccessIssue]

    def predict(self, X: Any, **others: Any) -> Any:
        """Predict the most likely class of each row."""
        places = super().predict(X, **others)  # pyright: ignore[reportAttributeAccessIssue]
        return places if self.labels_ is None else self.labels_[places]


class XGBClassifier(_AnyClasses, xgboost.XGBClassifier):
    """`xgboost.XGBClassifier` for classes of any type."""


class XGBRFClassifier(_AnyClasses, xgboost.XGBRFClassifier):
    """`xgboost.XGBRFClassifier` for classes of any type."""


ANY_CLASSES = {xgboost.XGBClassifier: XGBClassifier, xgboost.XGBRFClassifier: XGBRFClassifier}
