"""Let one system user pass through folders that are closed to everybody else.

PostgreSQL does not run as root. If we do, its user must pass each folder above its programs and its data, such as
/root, which only root can enter. An entry in the folder's access list (POSIX ACL) lets that user through, who cannot
list the folder, and nobody else.
"""

import os
import pwd
import struct
import subprocess
from pathlib import Path

from regrow.base.errors import StateError

ATTRIBUTE = "system.posix_acl_access"
OWNER, USER, GROUP, NAMED_GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
"""The kinds of entries (Linux, `include/uapi/linux/posix_acl.h`), in the order in which they stand."""
NOBODY = 0xFFFFFFFF
PASS = 0o1
Entry = tuple[int, int, int]
"""Kind, permissions, and the number of the user or group that it names."""


def let_through(folder: Path, user: pwd.struct_passwd) -> None:
    """Let *user* reach *folder* through all folders above it.

    Raises `StateError` if the file system keeps no access lists.
    """
    if _reaches(folder, user):
        return
    for above in reversed(folder.absolute().parents):
        if above.stat().st_mode & PASS == 0:
            _add(above, user)
    if not _reaches(folder, user):
        raise _closed(folder, user)


def _reaches(folder: Path, user: pwd.struct_passwd) -> bool:
    """Return whether *user* can enter *folder*."""
    done = subprocess.run(
        ["test", "-x", str(folder)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return done.returncode == 0


def _add(folder: Path, user: pwd.struct_passwd) -> None:
    """Add to the access list of *folder* that *user* may pass."""
    try:
        entries = _entries(folder)
        group_class = [permissions for kind, permissions, _ in entries if kind in {USER, GROUP, NAMED_GROUP}]
        mask = PASS
        for permissions in group_class:
            mask |= permissions
        kept = [each for each in entries if each[0] != MASK and each[::2] != (USER, user.pw_uid)]
        wanted = sorted([*kept, (USER, PASS, user.pw_uid), (MASK, mask, NOBODY)], key=lambda each: each[::2])
        os.setxattr(
            folder, ATTRIBUTE, struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *each) for each in wanted)
        )
    except (OSError, AttributeError) as error:  # no access lists in this file system, or in this system
        raise _closed(folder, user) from error


def _entries(folder: Path) -> list[Entry]:
    """Return the access list of *folder*, or what its mode says."""
    try:
        raw = os.getxattr(folder, ATTRIBUTE)
    except OSError:
        mode = folder.stat().st_mode
        return [(OWNER, mode >> 6 & 7, NOBODY), (GROUP, mode >> 3 & 7, NOBODY), (OTHER, mode & 7, NOBODY)]
    return [struct.unpack_from("<HHI", raw, at) for at in range(4, len(raw), 8)]


def _closed(folder: Path, user: pwd.struct_passwd) -> StateError:
    """Return the error of a folder that *user* cannot pass."""
    return StateError(
        f"{folder}: PostgreSQL does not run as root, and its user {user.pw_name} cannot pass this folder; start Regrow "
        "as another user, or give a folder that everybody may pass by REGROW_HOME, such as /var/lib/regrow"
    )
