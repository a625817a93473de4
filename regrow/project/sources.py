"""The kinds of places that rows and labels come from."""

import codecs
from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from regrow.project.fields import Reference, Strict

TIME_FORMAT = r"%|^(iso|epoch_s|epoch_ms)$"
"""A format of `strptime`, or the name of one of the ways to write a time that it does not know."""
ONE = r"^.$"


class CsvSource(Strict):
    """A CSV file, plain or compressed (`.gz`, `.bz2`, `.xz`, `.zip`); dates are parsed in the timestamp column."""

    kind: Literal["csv"]
    path: Annotated[str, Field(description="File, relative to this YAML file")]
    separator: Annotated[str, Field(min_length=1, description="One character, or a regular expression")] = ","
    encoding: Annotated[str, Field(description="`utf-8`, `latin-1`, `cp1252`, `utf-16` …")] = "utf-8"
    decimal: Annotated[str, Field(pattern=ONE, description="Character before the decimals")] = "."
    thousands: Annotated[str | None, Field(pattern=ONE, description="Character between thousands")] = None
    quote: Annotated[
        str | None,
        Field(
            pattern=ONE, description="Character around text that holds a separator; null: none, it is text"
        ),
    ] = '"'
    escape: Annotated[
        str | None, Field(pattern=ONE, description="Character before one that is to mean itself: a backslash")
    ] = None
    null_values: Annotated[
        tuple[str, ...],
        Field(description="Words for a missing value, beside the usual ones (empty, NA, NaN, NULL, None)"),
    ] = ()
    text: Annotated[
        tuple[str, ...], Field(description="Columns that are text although they look like numbers: `007`")
    ] = ()
    numbers: Annotated[
        tuple[str, ...],
        Field(description="Columns of amounts and shares: `$1,200.50` is read as 1200.5, `12%` as 0.12"),
    ] = ()
    dates: Annotated[
        dict[str, Annotated[str, Field(pattern=TIME_FORMAT)]],
        Field(description="Columns of dates, each with its format: `%d.%m.%Y`, `iso`, `epoch_s`, `epoch_ms`"),
    ] = {}

    @model_validator(mode="after")
    def _consistent(self) -> "CsvSource":
        if self.decimal in {self.thousands, self.separator}:
            other = "thousands" if self.decimal == self.thousands else "separator"
            raise ValueError(f"decimal and {other} are both `{self.decimal}`; no row can be read so")
        if self.escape is not None and self.escape in {self.quote, self.separator, self.decimal}:
            raise ValueError(
                f"escape is `{self.escape}`, which means something else; a doubled quote needs no escape"
            )
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(f"encoding: {error}; write `utf-8`, `latin-1` or `cp1252`") from error
        named = Counter((*self.text, *self.numbers, *self.dates))
        if twice := next((column for column, count in named.items() if count > 1), None):
            raise ValueError(f"`{twice}` stands twice under text, numbers and dates; a column has one type")
        return self


class ParquetSource(Strict):
    """A Parquet file or a folder of them, also in parts named `month=3`."""

    kind: Literal["parquet"]
    path: Annotated[str, Field(description="File or folder, relative to this YAML file")]


class DeltaSource(Strict):
    """A Delta Lake table, read at its newest version."""

    kind: Literal["delta"]
    path: Annotated[str, Field(description="Table folder, relative to this YAML file, or its address")]


class SqlSource(Strict):
    """A query on any database that SQLAlchemy reaches; `:start` and `:end` bound its rows."""

    kind: Literal["sql"]
    url_env: Annotated[str, Field(description="Environment variable that holds the database's URL")]
    query: Annotated[str, Field(description="SELECT with `:start` and `:end` bound as timestamps")]


class PythonSource(Strict):
    """A callable `load(start, end) -> DataFrame` beside this file."""

    kind: Literal["python"]
    load: Reference
    fingerprint: Annotated[
        Reference | None,
        Field(
            description="Callable `() -> str` that changes when the data does; without it every run reads anew"
        ),
    ] = None


class SklearnSource(Strict):
    """A data set that ships with scikit-learn: `diabetes`, `breast_cancer`, `wine`, `iris`."""

    kind: Literal["sklearn"]
    dataset: Literal["diabetes", "breast_cancer", "wine", "iris"]


class LogSource(Strict):
    """The prediction log: the features as they were served, each row once, with the label that came for it."""

    kind: Literal["log"]
    model: Annotated[
        str | None, Field(description="Model whose log and labels are read; default: the file's own")
    ] = None


Table = CsvSource | ParquetSource | DeltaSource | SqlSource | PythonSource | SklearnSource

Source = Annotated[Table | LogSource, Field(discriminator="kind")]
TableSource = Annotated[Table, Field(discriminator="kind")]
