"""Folders for a fit's own large files: made where there is room for them, before anything is written."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from recsys_spark.errors import DataError

_MIB = 1 << 20


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
