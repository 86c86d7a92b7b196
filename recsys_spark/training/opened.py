"""The training set of a night, in memory or on disk, for as long as it is needed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys_spark.storage import Folder
from recsys_spark.training.reading import count_rows, read_rows
from recsys_spark.training.rows import TrainingRows
from recsys_spark.training.scratch import scratch_folder
from recsys_spark.training.settings import TrainingSettings


@contextmanager
def opened_rows(stored: Folder, settings: TrainingSettings, *, days: bool | None = None) -> Iterator[TrainingRows]:
    """Read a training set.

    Args:
        stored: the folder of its Parquet files.
        settings: `rows_in_memory` decides; of more rows the columns lie in a folder inside `scratch`, which is removed
            at the end.
        days: whether rows have days; none: if `half_life_days` asks for them.

    Raises:
        DataError: a file is not what the ingest wrote, or there is no room on the disk.
    """
    days = settings.half_life_days is not None if days is None else days
    files, filesystem = stored.parquet_files(), stored.arrow[0]
    if count_rows(files, filesystem) <= settings.rows_in_memory:
        yield read_rows(files, filesystem, days=days)
        return
    with scratch_folder(Path(settings.scratch or tempfile.gettempdir()), "recsys-rows-") as scratch:
        yield read_rows(files, filesystem, scratch=scratch, days=days)
