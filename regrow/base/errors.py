"""Every error that Regrow raises on purpose.

RegrowError
├── ProjectError          the model's YAML file, or what it names, is wrong
├── DataError             the data cannot serve: empty, unparseable, missing or mistyped column
│   └── BatchRejected     a batch broke its expectations
├── SnapshotError         a snapshot is missing or does not match its digest
├── RegistryError         the MLflow registry says something that cannot be true
│   └── MovedOn           another writer moved first: look again
├── Unreachable           a server (MLflow, Prefect, database, model server) does not answer
├── StateError            the state folder is full, read-only or in use
│   ├── NewerFormat       a newer version of Regrow wrote it
│   ├── Busy              other writers came first, again and again: the same may work in a moment
│   ├── StoreAway           a folder of the store was there and is not now: it may come back
│   └── RowsRefused       a table cannot hold such rows, now or later
├── NotDelivered          a notification was not taken by its receiver, or has no address
├── UnsafeModel           a stored model holds types that are not on the checked list
├── IncompatibleModel     a stored model was made with another major version of a library
├── NoFastPath            a pipeline holds what the fast path does not know; it answers itself
├── NotExplained          a prediction has no reasons that add up to it, or the extra is not installed
├── InvalidRequest        a request, or one of its rows, does not fit the model
└── ServingError          the model server cannot start or answer
    ├── ModelFailed       a model failed on rows that fit its signature
    ├── Overloaded        too many requests wait
    └── Unavailable       no champion, a version that is late, or no room for the journal
"""


class RegrowError(Exception):
    """The base of all of them; each text names what is wrong, where, and what to do."""


class ProjectError(RegrowError):
    """The project file, or something that it names, is wrong."""


class DataError(RegrowError):
    """The data cannot serve: empty, unparseable, a column missing or of another type."""


class BatchRejected(DataError):
    """A batch broke an expectation that rejects it, or too many of its rows were quarantined."""


class SnapshotError(RegrowError):
    """A snapshot is missing or does not match its digest."""


class RegistryError(RegrowError):
    """The registry holds something that cannot be true."""


class MovedOn(RegistryError):
    """Another writer moved the model's state first."""


class Unreachable(RegrowError):
    """A server that the work needs does not answer."""


class StateError(RegrowError):
    """The state folder is full, read-only or in use."""


class NewerFormat(StateError):
    """A newer version of Regrow wrote what this one cannot read."""


class Busy(StateError):
    """Other writers came first, again and again: the same may work in a moment."""


class StoreAway(StateError):
    """A folder of the store was there and is not now: unmounted, renamed, or not readable. It may come back."""


class RowsRefused(StateError):
    """A table cannot hold such rows, now or later: a column of another type, two columns of one name."""


class NotDelivered(RegrowError):
    """A notification was not taken by its receiver, or its address is not found; the text never shows the address."""


class UnsafeModel(RegrowError):
    """A stored model holds types that are not on the checked list."""


class IncompatibleModel(RegrowError):
    """A stored model was made with another major version of a library, or with one that is not installed."""


class NoFastPath(RegrowError):
    """A pipeline holds what the fast path does not know, or answers otherwise; it answers itself."""


class NotExplained(RegrowError):
    """A prediction has no reasons that add up to it, the rows that they take are gone, or the extra is missing."""


class InvalidRequest(RegrowError):
    """A request, or one of its rows, does not fit the model: a code for programs, and the column and row at fault."""

    def __init__(self, code: str, message: str, column: str | None = None, row: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.column = column
        self.row = row


class ServingError(RegrowError):
    """The model server cannot start or answer."""


class ModelFailed(ServingError):
    """A model failed on rows that fit its signature."""

    code = "model_failed"


class Overloaded(ServingError):
    """Too many requests wait; the same one may be sent again later."""

    code = "overloaded"


class Unavailable(ServingError):
    """The server cannot answer now: no champion, a version that is late, no room for the journal."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
