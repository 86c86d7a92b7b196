"""What an ingest leaves for the stages after it, and the record of it that a later job finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.errors import DataError
from recsys_spark.ingest.encoding import Addition, Vocabularies, Vocabulary
from recsys_spark.ingest.tables import read_training_set
from recsys_spark.staged import read_staged
from recsys_spark.storage import Folder

RECORD = "stage.json"
"""Written last: a stage's folder without it is unfinished."""

FILES = "files.json"
"""The data files of a stage and their sizes, written before its record."""

DATA = ("ratings", "seen", "items", "users", "quarantine")
"""The private Parquet data sets of an ingest, one folder each."""


@dataclass(frozen=True)
class Ingested:
    """A finished ingest.

    Args:
        folder: holds the data sets named in `DATA`.
        fingerprint: of the sources; none where one has none.
        vocabularies: as they were when the ratings were encoded.
        counts: ratings read, accepted and quarantined; users of the run, items.
        reasons: quarantined rows by reason.
    """

    folder: Folder
    fingerprint: str | None
    vocabularies: Vocabularies
    counts: dict[str, int]
    reasons: dict[str, int]

    def read(self, spark: SparkSession, name: str) -> DataFrame:
        """One of the data sets."""
        if name == "ratings":
            return read_training_set(spark, self.folder / name)
        return read_staged(spark, self.folder / name)

    def save(self) -> None:
        """Mark the stage as finished."""
        record = asdict(self)
        record["folder"] = str(self.folder)
        self.folder.write_json(RECORD, record)

    @classmethod
    def load(cls, folder: Folder) -> Ingested:
        """The ingest that an earlier job finished in this folder.

        Raises:
            DataError: there is none.
        """
        stored = folder.read_json(RECORD)
        if stored is None:
            hint = "run the job `ingest` with the same configuration and sources first, or `nightly` for everything"
            raise DataError("stage ingest", expected="a finished ingest of these inputs", found="none", hint=hint)
        sides = {side: _vocabulary(v) for side, v in stored["vocabularies"].items()}
        return cls(**{**stored, "folder": folder, "vocabularies": Vocabularies(**sides)})


def seal(folder: Folder) -> None:
    """Note the data files that a stage has made, so that one that is lost or cut short later is missed."""
    folder.write_json(FILES, _sizes(folder))


def is_whole(folder: Folder) -> bool:
    """Whether a stage has all the data files that it was sealed with, in their sizes."""
    return bool(folder.read_json(FILES) == _sizes(folder))


def _sizes(folder: Folder) -> dict[str, int]:
    return {name: found.bytes for name, found in sorted(folder.files()) if name.endswith(".parquet")}


def stored_ids(folder: Folder, side: Literal["user", "item"], n: int) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """The ids of all users or items by index, and which of them are eligible, read without Spark.

    Args:
        folder: the data set `users` or `items` of an ingest.
        side: which of the two it is.
        n: indices of the vocabulary.

    Returns:
        The ids in their own type and bool[n]: on the driver, an id and a byte for each. The index of a forgotten user
        has no id, and is not eligible.
    """
    files, _ = folder.arrow
    columns = [f"{side}_id", f"{side}_index", "eligible"]
    parts = [pq.read_table(f, columns=columns, filesystem=files, partitioning=None) for f in folder.parquet_files()]
    table = pa.concat_tables(parts)
    place = np.full(n, -1, np.int64)
    place[table.column(f"{side}_index").to_numpy()] = np.arange(len(table))
    rows = pa.array(place, mask=place < 0)
    ids, eligible = (table.column(name).combine_chunks().take(rows) for name in (f"{side}_id", "eligible"))
    return ids, pc.fill_null(eligible, False).to_numpy(zero_copy_only=False)


def _vocabulary(stored: dict[str, Any]) -> Vocabulary:
    return Vocabulary(stored["id_type"], tuple(Addition(**a) for a in stored["additions"]))
