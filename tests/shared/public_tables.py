"""Public tables of many kinds, from packages that are installed, each as somebody might keep it."""

# scikit-learn states no types for its data sets.
# pyright: reportCallIssue=false, reportArgumentType=false
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from deltalake import write_deltalake
from sklearn import datasets

Periods = tuple[pd.Timestamp, pd.Timestamp, pd.Timestamp]
"""Where the rows that come after the first training begin, those after the first scoring, and where they end."""
Write = Callable[[pd.DataFrame, Path, str], Any]
"""Keep the rows of a frame in a folder under a name, and return what the project file says of it."""


@dataclass(frozen=True)
class PublicTable:
    """A table, where it is kept, and what a stranger writes into the project file."""

    name: str
    frame: pd.DataFrame
    target: str
    write: Write
    periods: Periods
    time: str = "at"
    id: str | None = "row"
    entity: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    primary: str = "roc_auc"
    data: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the section `data`."""
    rest: Mapping[str, Any] = field(default_factory=dict)
    """Further sections of the project file."""
    code: str = ""
    """The Python file beside it, `NAME_code.py`."""
    classes: tuple[Any, ...] = ()
    by_init: bool = False
    """Whether `regrow init` writes the project file."""

    def rows(self, until: int) -> pd.DataFrame:
        """Return the rows before the period *until*: 0 those of the first training, 1 and 2 with one more each."""
        return self.frame[self.frame[self.time] < self.periods[until]].reset_index(drop=True)

    def period(self, number: int) -> pd.DataFrame:
        """Return the rows of period *number*, 0 or 1."""
        since, until = self.periods[number : number + 2]
        times = self.frame[self.time]
        return self.frame[(times >= since) & (times < until)].reset_index(drop=True)


def dated(frame: pd.DataFrame, seed: int = 0) -> tuple[pd.DataFrame, Periods]:
    """Draw a time for each row of *frame*, which has none: 70 % in two months, 15 % in each of the last two days."""
    end = pd.Timestamp.now("UTC").floor("s") - pd.Timedelta("1h")
    starts = [end - pd.Timedelta(f"{days}D") for days in (60, 2, 1, 0)]
    places = np.linspace(0, 1, len(frame), endpoint=False)
    seconds = np.interp(places, [0, 0.7, 0.85, 1], [start.timestamp() for start in starts])
    times = pd.to_datetime(np.floor(seconds), unit="s", utc=True)
    mixed = frame.sample(frac=1, random_state=seed).reset_index(drop=True)
    names = pd.Series([f"r{number:05d}" for number in range(len(frame))], dtype="str")
    return mixed.assign(row=names, at=times), (starts[1], starts[2], starts[3])


def of(name: str, frame: pd.DataFrame, target: str, write: Write, **rest: Any) -> PublicTable:
    """Make the table *name* of rows without a time, in times of their own."""
    rows, periods = dated(frame)
    unit = {"unit": "entity" if rest.get("entity") else "row"}  # The times are drawn: no day is like another.
    return PublicTable(name, rows, target, write, periods, **rest | {"data": unit | rest.get("data", {})})


def csv(ending: str = "csv", options: Mapping[str, Any] | None = None, **habits: Any) -> Write:
    """Keep rows as CSV with the *habits* of pandas' `to_csv`, which the *options* of the project file describe."""

    def write(frame: pd.DataFrame, folder: Path, name: str) -> dict[str, Any]:
        frame.to_csv(folder / f"{name}.{ending}", index=False, **habits)
        return {"kind": "csv", "path": f"{name}.{ending}", **(options or {})}

    return write


def parquet(frame: pd.DataFrame, folder: Path, name: str) -> dict[str, Any]:
    """Keep rows in one Parquet file."""
    frame.to_parquet(folder / f"{name}.parquet")
    return {"kind": "parquet", "path": f"{name}.parquet"}


def in_parts(frame: pd.DataFrame, folder: Path, name: str) -> dict[str, Any]:
    """Keep rows in a folder of Parquet files, one for each month: `month=2025-03/rows.parquet`."""
    for month, rows in frame.groupby(frame["at"].dt.strftime("%Y-%m")):
        part = folder / name / f"month={month}"
        part.mkdir(parents=True, exist_ok=True)
        rows.to_parquet(part / "rows.parquet")
    return {"kind": "parquet", "path": name}


def delta(frame: pd.DataFrame, folder: Path, name: str) -> dict[str, Any]:
    """Keep rows in a Delta Lake table."""
    write_deltalake(str(folder / name), frame, mode="overwrite")
    return {"kind": "delta", "path": name}


def sql(variable: str) -> Write:
    """Keep rows in a table of the database whose URL the environment *variable* holds."""

    def write(frame: pd.DataFrame, folder: Path, name: str) -> dict[str, Any]:
        engine = sa.create_engine(os.environ[variable])
        with engine.begin() as connection:
            frame.to_sql(name, connection, index=False, if_exists="replace")
        engine.dispose()
        query = f"SELECT * FROM {name} WHERE at >= :start AND at < :end"  # noqa: S608
        return {"kind": "sql", "url_env": variable, "query": query}

    return write


def shipped(path: str, **options: Any) -> pd.DataFrame:
    """Read a table that the package statsmodels or plotly ships."""
    package, rest = path.split("/", 1)
    return pd.read_csv(str(files(package) / rest), **options)


def tumours() -> PublicTable:
    """Breast tumours (scikit-learn): 30 numbers, two classes as text; semicolons and Latin-1, read by `init`."""
    found = datasets.load_breast_cancer(as_frame=True)
    frame = found["data"].rename(columns={"mean area": "mittlere Fläche"})
    frame["diagnosis"] = found["target"].map({0: "malignant", 1: "benign"})
    habits = {"sep": ";", "encoding": "latin-1"}
    return of("tumours", frame, "diagnosis", csv(**habits), by_init=True, classes=("benign", "malignant"))


def wines() -> PublicTable:
    """Wines (scikit-learn): three classes as text, names of any kind; CSV with a byte-order mark."""
    found = datasets.load_wine(as_frame=True)
    names = [
        "alcohol %",
        "malic.acid",
        'the "ash"',
        "alkalinity's",
        "Mg²⁺",
        "フェノール",
        "a,b",
        "c;d",
        "{e}",
        "f[0]",
    ]
    frame = found["data"].set_axis([*names, *found["data"].columns[len(names) :]], axis=1)
    grapes = ("Barbera", "Barolo", "Grignolino")
    frame["grape"] = found["target"].map({0: grapes[1], 1: grapes[2], 2: grapes[0]})
    return of(
        "wines", frame, "grape", csv(encoding="utf-8-sig"), primary="log_loss", classes=grapes,
        training={"estimator": "sklearn.linear_model.LogisticRegression"},
    )  # fmt: skip


def oceans() -> PublicTable:
    """Temperatures of the Pacific (statsmodels): 61 years, one a row, from before 1970; SQLite."""
    frame = shipped("statsmodels/datasets/elnino/elnino.csv")
    frame["at"] = pd.to_datetime(frame.pop("YEAR").astype(int).astype(str), utc=True)
    return PublicTable(
        "oceans", frame, "DEC", sql("OCEANS_URL"),
        tuple(pd.Timestamp(year, tz="UTC") for year in ("1995", "2003", "2011")), id=None, primary="mae",
        training={"estimator": "sklearn.linear_model.Ridge"},
        data={"split": {"kind": "time", "holdout": 0.3}},
        rest={"monitoring": {"window": "9000d"}},
    )  # fmt: skip


def digits() -> PublicTable:
    """Handwritten digits (scikit-learn): ten classes as text, XGBoost; Delta Lake."""
    found = datasets.load_digits(as_frame=True)
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    frame = found["data"].assign(digit=[words[number] for number in found["target"]])
    return of(
        "digits", frame, "digit", delta, primary="log_loss", classes=tuple(sorted(words)),
        training={"estimator": "xgboost.XGBClassifier", "parameters": {"n_estimators": 20}},
    )  # fmt: skip


def wide() -> PublicTable:
    """Digits again, with the products of their pixels: 1,500 columns; is it an even one?; one Parquet file."""
    found = datasets.load_digits(as_frame=True)
    pixels = found["data"].to_numpy()
    first, second = np.triu_indices(pixels.shape[1])
    products = pixels[:, first] * pixels[:, second]
    kept = np.argsort(-products.var(axis=0), kind="stable")[:1500]
    names = [f"p{one}*p{two}" for one, two in zip(first[kept], second[kept], strict=True)]
    frame = pd.DataFrame(products[:, kept], columns=names).assign(even=found["target"] % 2 == 0)
    return of(
        "wide", frame, "even", parquet, classes=(False, True),
        training={"estimator": "sklearn.linear_model.LogisticRegression", "parameters": {"max_iter": 200}},
    )  # fmt: skip


def doctors() -> PublicTable:
    """Visits to doctors (statsmodels, RAND): who goes more than 27 times, one in 200?; LightGBM; Parquet in parts."""
    frame = shipped("statsmodels/datasets/randhie/randhie.csv")
    many = np.where(frame.pop("mdvis") > 27, "many", "a few")
    return of(
        "doctors", frame.assign(visits=many), "visits", in_parts,  # Fifteen cases prove no average precision.
        classes=("a few", "many"), data={"features": list(frame)},
        training={"estimator": "lightgbm.LGBMClassifier", "parameters": {"n_estimators": 40, "verbose": -1}},
    )  # fmt: skip


def visits() -> PublicTable:
    """How many visits, a regression of heavy tails: half of them at most one, some 77; an own metric; gzipped CSV."""
    frame = shipped("statsmodels/datasets/randhie/randhie.csv")
    return of(
        "visits", frame, "mdvis", csv("csv.gz"), primary="-visits_code:missed",
        training={
            "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
            "parameters": {"loss": "poisson", "max_iter": 40},
        },
        code='''"""A metric of the team's own."""

import numpy as np


def missed(target, prediction):
    """Mean distance of the square roots: a visit more counts less if there are many."""
    return float(np.abs(np.sqrt(target) - np.sqrt(np.maximum(prediction, 0))).mean())
''',
    )  # fmt: skip


def affairs() -> PublicTable:
    """Affairs (statsmodels, Fair): PostgreSQL; booleans; gaps in whole numbers and dates that training had not."""
    frame = shipped("statsmodels/datasets/fair/fair.csv").head(3000)
    made = of(
        "affairs", frame, "had_one", sql("AFFAIRS_URL"), classes=(0, 1),
        training={
            "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
            "parameters": {"max_iter": 30},
            "preprocessing": {"dates": "age"},
            "threshold": {"metric": "f1"},
        },
    )  # fmt: skip
    rows = made.frame
    rows["had_one"] = (rows.pop("affairs") > 0).astype(int)
    rows["has_children"] = rows.pop("children") > 0
    rows["educ"] = rows["educ"].astype(int)
    days = (rows.pop("yrs_married") * 365).round().astype(int)
    rows["married"] = rows["at"].dt.floor("D") - pd.to_timedelta(days, unit="D")
    late = (rows["at"] >= made.periods[0]).to_numpy()
    rows["educ"] = rows["educ"].astype("Int64").mask(late & (rows.index % 4 == 0))
    rows["married"] = rows["married"].mask(late & (rows.index % 5 == 0))
    return made


def votes() -> PublicTable:
    """Voters of 1996 (statsmodels, ANES): seven classes as text, a transformer of their own; tabs, single quotes."""
    frame = shipped("statsmodels/datasets/anes96/anes96.csv", sep="\t", quotechar="'")
    parties = ["strong D", "weak D", "near D", "neither", "near R", "weak R", "strong R"]
    frame["PID"] = [parties[int(number)] for number in frame["PID"]]
    habits = {"sep": "\t", "quotechar": "'", "quoting": 2}
    return of(
        "votes", frame, "PID", csv(options={"separator": "\t", "quote": "'"}, **habits), primary="log_loss",
        classes=tuple(sorted(parties)),
        training={
            "estimator": "sklearn.linear_model.LogisticRegression",
            "parameters": {"max_iter": 500},
            "preprocessing": "votes_code:build",
        },
        code='''"""A transformer of the team's own."""

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


class Between(TransformerMixin, BaseEstimator):
    """How far each candidate stands from the voter, beside all that is there."""

    def fit(self, rows, target=None):
        self.fitted_ = True
        return self

    def transform(self, rows):
        near = {f"{who} gap": (rows[f"{who}LR"] - rows["selfLR"]).abs() for who in ("Clin", "Dole")}
        return rows.assign(**near)


def build(columns):
    assert columns["age"] == "number"
    return make_pipeline(Between(), StandardScaler())
''',
    )  # fmt: skip


def countries() -> PublicTable:
    """Countries every five years (plotly, Gapminder): they recur, from 1952 on; a nested estimator; Parquet."""
    frame = shipped("plotly/package_data/datasets/gapminder.csv.gz").drop(columns=["iso_alpha", "iso_num"])
    frame["country"] = frame["country"].replace({"Cote d'Ivoire": "Côte d'Ivoire", "Reunion": "Réunion"})
    frame["at"] = pd.to_datetime(frame.pop("year").astype(str), utc=True)
    forest = {"estimator": "sklearn.ensemble.RandomForestRegressor", "parameters": {"n_estimators": 30}}
    return PublicTable(
        "countries", frame.sort_values("at", ignore_index=True), "lifeExp", parquet,
        tuple(pd.Timestamp(year, tz="UTC") for year in ("2000", "2005", "2010")), id=None, entity="country",
        primary="rmse",
        training={
            "estimator": "sklearn.compose.TransformedTargetRegressor",
            "parameters": {"regressor": forest},
        },
        data={"unit": "entity"},
        rest={"monitoring": {"window": "9000d"}},
    )  # fmt: skip


def members() -> PublicTable:
    """Countries as members who are asked about every thirty days (Gapminder); the truth comes after 45 days.

    Nothing of what was served in the last window has its label: performance is of the month before.
    """
    frame = shipped("plotly/package_data/datasets/gapminder.csv.gz").drop(columns=["iso_alpha", "iso_num"])
    now = pd.Timestamp.now("UTC").floor("h")
    months = {year: now - pd.Timedelta(30 * (2007 - year) // 5 + 30, "D") for year in range(1952, 2008, 5)}
    frame["at"] = pd.to_datetime(frame.pop("year").map(months), utc=True)
    frame["stays"] = frame.pop("lifeExp") > 65
    return PublicTable(
        "members", frame.sort_values(["at", "country"], ignore_index=True), "stays", parquet,
        tuple(now - pd.Timedelta(days, "D") for days in (100, 70, 29)), id=None, entity="country",
        training={
            "estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "parameters": {"max_iter": 30}
        },
        data={"unit": "entity", "label_delay": "45d"}, classes=(False, True),
        rest={"monitoring": {"window": "31d"}},
    )  # fmt: skip


def travellers() -> PublicTable:
    """Ways to travel (statsmodels, Greene): four rows of each traveller, calibrated LightGBM; semicolons."""
    frame = shipped("statsmodels/datasets/modechoice/modechoice.csv", sep=";")
    boosted = {"estimator": "lightgbm.LGBMClassifier", "parameters": {"n_estimators": 20, "verbose": -1}}
    return of(
        "travellers", frame, "choice", csv(options={"separator": ";"}, sep=";"), entity="individual", classes=(0, 1),
        training={
            "estimator": "sklearn.calibration.CalibratedClassifierCV",
            "parameters": {"estimator": boosted, "cv": 3},
        },
        data={"split": {"kind": "group", "column": "individual", "holdout": 0.25}},
    )  # fmt: skip


ALL = (tumours, wines, oceans, digits, wide, doctors, visits, affairs, votes, countries, members, travellers)
