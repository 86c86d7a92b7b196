"""What an ingest leaves for the stages after it, and the record of it that a later job finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from recsys_spark.errors import DataError
from recsys_spark.ingest.encoding import Addition, Vocabularies, Vocabulary
from recsys_spark.storage import Folder

RECORD = "stage.json"
"""Written last: a stage's folder without it is unfinished."""

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
        return spark.read.parquet(str(self.folder / name))

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


def _vocabulary(stored: dict[str, Any]) -> Vocabulary:
    return Vocabulary(stored["id_type"], tuple(Addition(**a) for a in stored["additions"]))
