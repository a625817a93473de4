"""The model server with a journal that forgets: what logging costs, by comparison."""

from regrow.serving import processes
from regrow.serving.log.journal import Journal


def forget(self: Journal, columns: dict[str, str], lines: list[bytes]) -> None:
    """Log nothing."""


if __name__ == "__main__":
    Journal.append = forget
    processes.main()
