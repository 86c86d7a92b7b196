"""Folders for a fit's own large files: made where there is room for them, and gone after it, even if it was killed."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recsys_spark.errors import DataError

_MIB = 1 << 20

_HELD = ".held"
"""A file that whoever works in the folder has locked; the system takes the lock back from the dead."""


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder that is removed at the end. Those of the same prefix whose owners have died go now.

    Args:
        parent: a local folder, made if it does not exist.
        prefix: of the folder's name, for one purpose only.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{prefix}*"):
        _remove_if_abandoned(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as name, (Path(name) / ".new").open("wb") as held:
        # locked before it has the name by which others judge
        fcntl.flock(held, fcntl.LOCK_EX)
        (Path(name) / ".new").rename(Path(name) / _HELD)
        yield Path(name)


def fresh_folder(parent: Path, prefix: str, *, n_bytes: int) -> Path:
    """A new, empty folder for so many bytes. Whoever made `parent` removes it.

    Args:
        parent: made if it does not exist.
        prefix: of the new folder's name.
        n_bytes: what will be written into it.

    Raises:
        DataError: the disk has less room than that. Found later, that would end in the midst of a fit.
    """
    parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(parent).free
    if free < n_bytes:
        raise DataError(
            f"scratch folder {parent}",
            expected=f"room for {-(-n_bytes // _MIB):,} MiB",
            found=f"{free // _MIB:,} MiB free",
            hint="set training.scratch to a folder on a larger disk, or raise training.rows_in_memory",
        )
    return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))


def _remove_if_abandoned(folder: Path) -> None:
    # another user's folder, one that is just being made, or a file system without locks: not ours to judge
    with suppress(OSError), (folder / _HELD).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
