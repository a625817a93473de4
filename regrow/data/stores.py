"""Whether a folder of the store is there: one that has gone away is never taken for an empty one.

Snapshots, tables and MLflow's files may each stand on a disk or a share of their own. When such a folder is made, a
file in it and a note in the state folder say so. If the note is there and the file is not, the folder is away: not
mounted (a mount point looks like an empty folder), renamed, or not readable. Without that, rows would go into a new
table, which the old one hides once it is back.
"""

from pathlib import Path

from regrow.base.errors import StoreAway
from regrow.base.places import Place
from regrow.base.settings import Settings, load_settings
from regrow.data import store_files
from regrow.data.files import make_folders, state_errors, write_whole

MARK = ".regrow"
"""The file in a folder of the store."""
NOTES = ".stores"
"""The folder of the notes, in the state folder."""
TEXT = b"A folder of Regrow's store. Without this file it counts as away.\n"
_seen: set[Place] = set()
"""The folders in buckets whose mark this process has seen: a bucket is not unmounted, and each look is a request."""


def stores_of(settings: Settings) -> tuple[Place, ...]:
    """Return the folders of the store, whether they were made yet or not."""
    return settings.artifacts, settings.snapshots, settings.tables


def make_store(folder: Place) -> None:
    """Make the *folder* of the store if it never was there, and write down that it is there now.

    Raises `StoreAway` if it was there and is not now, `StateError` if it cannot be written.
    """
    check_store(folder)
    if not _note(folder).exists() or not (folder in _seen or store_files.is_there(folder / MARK)):
        note_store(folder)


def note_store(folder: Place) -> None:
    """Write down that the *folder* of the store is there, made if it is not: what stands under its name is the store.

    Raises `StateError` if it cannot be written.
    """
    note = _note(folder)
    # The mark comes first: a power cut in between leaves a folder that nobody takes for one that is away.
    with state_errors(folder):
        store_files.write(folder / MARK, TEXT)
        make_folders(note.parent)
        write_whole(note, b"")


def note_old_stores(settings: Settings) -> None:
    """Write down of the folders of the store that an earlier version made that they are there."""
    for folder in stores_of(settings):
        if isinstance(folder, Path) and folder.is_dir() and not _note(folder).exists():
            note_store(folder)


def check_store(folder: Place) -> None:
    """Raise `StoreAway` if the *folder* of the store was there and is not now, `StateError` if it is not for us."""
    if folder in _seen:
        return
    try:
        if store_files.is_there(folder / MARK):
            if not isinstance(folder, Path):
                _seen.add(folder)
            return
        if not _note(folder).exists():
            return
        there = not isinstance(folder, Path) or folder.is_dir()
        why = f"it is empty, or another one: {MARK} is not in it" if there else "it is not there"
    except OSError as error:
        why = error.strerror or str(error)
    raise StoreAway(
        f"{folder}: this folder of the store is away ({why}); mount it, or move it back; to go on "
        f"with what is there now, a restored copy or nothing, remove {_note(folder)}"
    )


def check_stores(settings: Settings) -> None:
    """Raise `StoreAway` if a folder of the store that *settings* name was there and is not now."""
    for folder in stores_of(settings):
        check_store(folder)


def _note(folder: Place) -> Path:
    """Return the note that *folder* was made: in the state folder, wherever the store is."""
    settings = load_settings()
    home = folder.parent if isinstance(folder, Path) and not settings.store else settings.home.absolute()
    return home / NOTES / folder.name
